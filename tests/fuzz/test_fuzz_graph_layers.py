"""Networks of random layers with random arguments are built, or refused with their line; never is there a traceback."""

import sys

import fresh
import pytest

ARGUMENTS = {
    **dict.fromkeys(("units", "filters", "height", "width", "target_size", "output_size", "sequence_length"), 4),
    **dict.fromkeys(("kernel_size", "output_dim", "key_dim", "head_dim", "n"), 3),
    **dict.fromkeys(("pool_size", "size", "num_heads", "num_query_heads", "num_key_value_heads"), 2),
    **dict.fromkeys(("rate", "stddev", "factor", "scale", "contrast_factor", "offset"), 0.1),
    **dict.fromkeys(("mean", "mask_value"), 0.0),
    **dict.fromkeys(("num_bins", "bins", "input_dim", "num_tokens"), 20),
    **{"target_shape": [4, 1], "dims": [1], "bin_boundaries": [0.5], "value_range": [0, 16], "equation": "ab,bc->ac"},
    **{"of": {"layer": "Dense", "units": 4}, "cell": {"layer": "LSTMCell", "units": 4}},
}
"""Good values of arguments that a layer must have; 1 for all others."""

VALUES = (
    *(0, 1, 2, 3, 8, -1, 0.1, 1.5, 10**6, 1e9, True, False, None, "same", "valid", "relu", "channels_first", "x", ""),
    *("int32", "float16", "string", [], [1], [2, 2], [1, 2, 3], [-1], [[1]], [0.1, 0.2], ".nan"),
    *({"layer": "Dense", "units": 2}, {"layer": "LSTMCell", "units": 2}, {"name": "L2", "l2": 0.1}),
)
CONFIG = """\
dataset: {{name: {}}}
optimizer: {{name: adam, learning_rate: 0.01}}
train: {{epochs: 1, batch_size: 32}}
model: """


def layer_of(rng, names, choices):
    name = rng.choice(names)
    layer = {"layer": name}
    for argument, is_needed in choices[name].items():
        if is_needed and rng.random() < 0.9:
            layer[argument] = ARGUMENTS.get(argument, 1)
        elif is_needed or rng.random() < 0.03:
            layer[argument] = rng.choice(VALUES)
    if rng.random() < 0.2:
        layer["inputs"] = rng.choice([["inputs", "previous"], ["previous", "previous"], ["inputs"], "inputs"])
    return layer


def main():
    from pathlib import Path

    from dltrain.importing import import_tensorflow

    import_tensorflow()
    import keras

    from dltrain.assembly.out_of_memory import enough_memory
    from dltrain.config import document
    from dltrain.config import experiment as experiments
    from dltrain.console import Reporter
    from dltrain.diagnostics.rehearsal import rehearse
    from dltrain.errors import DltrainError
    from dltrain.models._layers import REFUSED, choices

    known = choices("layer")
    names = [name for name in known if name not in REFUSED]

    def attempt(rng, noted):
        layers = [layer_of(rng, names, known) for _ in range(rng.randint(1, 4))]
        layers += [{"layer": "Flatten"}] if rng.random() < 0.7 else []
        model = {"name": "graph", "head": rng.random() < 0.9, "layers": layers}
        noted.append(model)
        text = CONFIG.format(rng.choice(("iris", "digits"))) + document.dump(model, in_line=True)
        Path("mutant.yaml").write_text(text)
        keras.backend.clear_session()
        try:
            config = experiments.load(Path("mutant.yaml"))
            with enough_memory(config):
                config.build_model(config.experiment.dataset.spec())
            rehearse(config, Reporter(quiet=True))
        except DltrainError:
            return "refused"
        return "trained"

    fresh.hunt(attempt)


@pytest.mark.parametrize("seed", [1])
def test_random_layers_are_built_or_refused(tmp_path, seed):
    fresh.batch(__file__, tmp_path, seed, 100)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 104))
def test_many_random_layers_are_built_or_refused(tmp_path, seed):
    fresh.batch(__file__, tmp_path, seed, 500, seconds=3600)


if __name__ == "__main__" and len(sys.argv) == 3:
    main()
