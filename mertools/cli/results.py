"""``mertools results``: the answers of language models as a table, beside what was published."""

from __future__ import annotations

import argparse
from pathlib import Path

from mertools.cli import FINE, NOT_FINE, Outcome

HELP = "score language models' ranked answers, beside the published numbers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="holds DATASET/label-*.csv with columns name, gt and the model's name",
    )
    parser.add_argument("--dataset", default="", metavar="NAME", help="score one data set only, e.g. mer2023")
    parser.add_argument(
        "--protocol",
        default="",
        metavar="P",
        help="A, A+alias, B, P, S or W; as each data set is published unless given",
    )


def run(arguments: argparse.Namespace) -> Outcome:
    """Score every file of answers below a folder."""
    from submissions.result_tables import report, result_table

    results = result_table(arguments.folder, dataset=arguments.dataset, protocol=arguments.protocol)
    fine = all(result.reproduced is not False for result in results)
    return Outcome([result.as_json() for result in results], report(results), FINE if fine else NOT_FINE)
