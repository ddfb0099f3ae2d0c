"""What else keeps a run: one tracker per file, registered under the file's name.

A registered block has `start(run, config)`, which returns what the run is told of while it goes on: `epoch(row, model)`
after each epoch, `end(summary)` once. `run` is the run's folder, `config` the experiment as plain values, a row one of
metrics.csv, the summary that of summary.json.
"""
