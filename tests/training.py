"""The training step that tests of replay compile."""

import tapegrad as tg
from tapegrad import nn


def training_step(net, optimizer, loss_of=nn.cross_entropy):
    """step(x, y) -> loss: forward, backward, update."""

    def step(x, y):
        with tg.tape():
            loss = loss_of(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step
