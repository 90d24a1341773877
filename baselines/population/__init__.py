"""Population training: jobs of one shape trained together, stacked along an axis.

``plan`` groups jobs by shape and bounds stacks by memory, ``stack`` trains one stack with Lightning, ``block`` holds
the members that one recorded computation (``tape``) serves, ``seats`` what belongs to one member, ``material`` the
clips, ``steps`` the computation itself. A member's numbers never depend on its mates.
"""

from baselines.population.plan import StackPlan

__all__ = ["StackPlan"]
