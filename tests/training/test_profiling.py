from dltrain.training import profiling


def test_each_of_several_traces_in_a_folder_is_counted_alone(tensorflow, tmp_path):
    multiply = tensorflow.function(lambda x: x @ x @ x @ x)
    matrix = tensorflow.ones((8, 8))
    multiply(matrix)
    for repeats in (1, 2):
        with profiling.recorded(tmp_path) as files:
            for _ in range(repeats):
                multiply(matrix)
        times = {kind: times for kind, _, times in profiling.operations(files) if kind.endswith("MatMul")}
        assert sum(times.values()) == 3 * repeats
        files[0].parent.rename(files[0].parent.with_name(f"trace {repeats}"))  # names are of a second: two may be one
