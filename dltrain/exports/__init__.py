"""What a network may be exported to: one format per file, its stem the name (`-` for `_`).

    @EXPORTS.register("onnx")
    class ONNX:
        '''What it is, for whom, and what it needs.'''

        file: ClassVar[str] = "model.onnx"                  # a folder, where it has no suffix
        needs: ClassVar[tuple[str, ...]] = ("tf2onnx",)      # modules that must be there
        extra: ClassVar[str] = "onnx"                        # and what of dltrain brings them
        tolerance: ClassVar[float] = 1e-5                    # of outputs, relative to max(1, |output|)

        def write(self, model, path, calibration): ...       # a Keras model in float32, to a place that is free
        def answers(self, path, inputs): ...                 # what the file says, in the runtime that it is for

A format whose numbers are coarser by design has `agreement` in place of `tolerance`: the share of examples that must be
answered as before.
"""
