"""Many runs compared: the plan, the runs it takes, and what they come to.

==================  ==============================================================================================
``plan``            what is compared, fixed before anything runs: arms, algorithms, seeds, what all runs share
``members``         the runs of a plan, and how far each is
``controls``        weights that are read off other runs, to isolate what makes a rule "dynamic"
``tuning``          each arm's best configuration, on seeds of their own
``launchers``       runs started side by side, here or on a Ray cluster
``outcome``         what one run came to: hypervolume, cost, time to the target
``groups``          the runs gathered by arm and algorithm
``arm_entry``       what one arm came to
``contrasts``       which arms differ, and by how much
``summary``         all of it, as summary.json
==================  ==============================================================================================
"""
