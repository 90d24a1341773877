"""One self-contained HTML page about one or more runs.

`facts` reads a run folder, its corpus and its store; `charts` draws inline SVG; `page` fills the template. The page
holds no script and no address: it can be mailed, archived and opened anywhere.
"""

from mertools.report.facts import RunFacts, read_run
from mertools.report.page import render

__all__ = ["RunFacts", "read_run", "render"]
