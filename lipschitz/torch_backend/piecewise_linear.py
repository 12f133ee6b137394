"""Whether a network is piecewise linear: from the operations that lead from images to logits."""

import re

from lipschitz.torch_backend.runtime import torch

# derivatives of operations that are linear in pieces, as autograd calls them, without its numbers
KNOWN = frozenset(
    """
    AbsBackward AccumulateGrad AdaptiveAvgPool1DBackward AdaptiveAvgPool2DBackward AddBackward
    AddmmBackward AliasBackward AmaxBackward AsStridedBackward AvgPool2DBackward AvgPool3DBackward
    BmmBackward CatBackward ChunkBackward ClampBackward ClampMinBackward CloneBackward
    ConstantPadNdBackward ConvolutionBackward DivBackward ExpandBackward HardtanhBackward
    IndexBackward LeakyReluBackward MaxBackward MaxPool2DWithIndicesBackward MaximumBackward
    MeanBackward MinimumBackward MkldnnConvolutionBackward MmBackward MulBackward
    NativeBatchNormBackward NegBackward PermuteBackward PreluBackward
    PreluKernelBackward ReflectionPad2DBackward ReluBackward RepeatBackward ReshapeAliasBackward
    SelectBackward SliceBackward SplitBackward SqueezeBackward StackBackward SubBackward
    SumBackward TBackward ThresholdBackward ToCopyBackward TransposeBackward UnbindBackward
    UnsafeViewBackward UnsqueezeBackward UpsampleBilinear2DBackward UpsampleNearest2DBackward
    ViewBackward WhereBackward
    """.split()  # noqa: SIM905
)
# products and quotients of two tensors are so if one is constant
OF_TWO = frozenset({"MulBackward", "DivBackward", "BmmBackward", "MmBackward"})


def operations(outputs: "torch.Tensor") -> list[tuple[str, int]]:
    """The derivatives between images and outputs, each with the number of its inputs that vary.

    They have the names of a CPU's, whatever the device.
    """
    found, seen, ahead = [], set(), [outputs.grad_fn]
    while ahead:
        node = ahead.pop()
        if node in seen:
            continue
        seen.add(node)
        varying = [each for each, _ in node.next_functions if each is not None]
        name = re.sub(r"^.*::|\d*$", "", node.name())
        found.append((re.sub(r"^(Cudnn|Miopen)(?=BatchNorm)", "Native", name), len(varying)))
        ahead += varying
    return found


def is_piecewise_linear(outputs: "torch.Tensor") -> bool:
    """Whether outputs, computed from images that need a gradient alone, are linear in pieces."""
    return all(
        name in KNOWN and (name not in OF_TWO or varying < 2)
        for name, varying in operations(outputs)
    )
