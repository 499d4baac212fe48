"""Double attention, gathering and distribution written out pixel by pixel."""

import torch


def double_attention(x, state):
    """Double attention of x with the parameters in state."""

    def projected(name):
        return torch.einsum("oc,bcp->bop", state[f"{name}.weight"][..., 0, 0], pixels) + state[f"{name}.bias"][:, None]

    pixels = x.flatten(2)
    gather, distribute = torch.exp(projected("gather")), torch.exp(projected("distribute"))
    gather = gather / gather.sum(2, keepdim=True)
    distribute = distribute / distribute.sum(1, keepdim=True)
    descriptors = torch.einsum("bmp,bnp->bnm", projected("feature"), gather)  # one row each
    mixed = torch.einsum("bnp,bnm->bmp", distribute, descriptors)
    added = torch.einsum("cm,bmp->bcp", state["expand.weight"][..., 0, 0], mixed) + state["expand.bias"][:, None]
    return x + added.view_as(x)
