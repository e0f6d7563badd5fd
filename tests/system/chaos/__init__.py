"""An hour of random faults under a service that 20 annotators and a lead use all the time.

`python -m tests.system.chaos --minutes 60 --seed 1 --out docs/results/service/chaos.json`
"""
