"""``twisted-lab experiments``: list them."""

import argparse
import json
import os
import sys
import textwrap

from twisted_lab import experiments


def run(arguments: argparse.Namespace) -> int:
    """Print number, title and question of each."""
    for experiment in map(experiments.find, experiments.numbers()):
        if arguments.json:
            names = ("number", "title", "question")
            sys.stdout.write(json.dumps({name: getattr(experiment, name) for name in names}, ensure_ascii=False) + "\n")
        else:
            question = textwrap.fill(experiment.question, 76, initial_indent="    ", subsequent_indent="    ")
            sys.stdout.write(f"{experiment.number:02}  {experiment.title}\n{question}\n")
    return os.EX_OK
