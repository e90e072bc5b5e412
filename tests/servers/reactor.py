"""What the test servers ask of a reactor and of its sockets."""

from twisted.internet.interfaces import (
    IConsumer,
    IPushProducer,
    IReactorCore,
    IReactorFDSet,
    IReactorTCP,
    IReactorThreads,
    IReactorTime,
    IReactorUDP,
    IReadWriteDescriptor,
    ITLSTransport,
)


class IReactor(IReactorCore, IReactorFDSet, IReactorTCP, IReactorThreads, IReactorTime, IReactorUDP):
    """A reactor with sockets, timers and threads, as all real ones are."""


class ISocket(ITLSTransport, IConsumer, IPushProducer, IReadWriteDescriptor):
    """A TCP transport over a real socket, which may start TLS and be paused."""
