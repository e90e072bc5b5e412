"""
Everything this package raises on purpose::

    PulpError
     +- SettingsError (a ValueError)
     +- StorageError
     |   +- StorageFull (also a WriterError)
     |   +- NotStored
     |   +- StorageDamaged
     |   +- StorageRefused
     |   +- StorageUnavailable
     |   +- DataInUse
     +- CatalogError
     |   +- CatalogLocked
     |   +- CatalogUnavailable
     |   |   +- CatalogUncertain
     |   +- CatalogDamaged
     |   +- CatalogFull
     |   +- CatalogNewer
     |   +- KeyRefused
     |   +- NotInCatalog
     |   +- NameTaken
     |   +- DraftLost
     +- JobError
     |   +- JobNotFound
     |   +- JobStateError
     |   +- KeyConflict
     |   +- QueueFull
     |   +- Stopping
     |   +- LeaseLost
     |   +- ItemsFailed
     +- BrokerUnavailable
     +- StageStuck
     +- TooManyFailed
     +- DownloadError
         +- FetchFailed
         +- HTTPStatusError
         |   +- NotFound
         |   +- NotAuthorized
         +- BlockedAddress
         +- ConnectError
         |   +- DNSError
         |   +- BindError
         |   +- ConnectionRefused
         |   +- TLSError
         |   +- ProxyError
         |       +- ProxyNotAuthorized
         +- ConnectionLost
         |   +- StreamReset
         +- DownloadTimeout
         |   +- ConnectTimeout (also a ConnectError)
         |   |   +- ProxyTimeout (also a ProxyError)
         |   +- HeadersTimeout
         |   +- IdleTimeout
         |   +- LowSpeed
         |   +- TotalTimeout
         +- Truncated
         +- SizeMismatch
         +- DigestMismatch
         +- Unproven
         +- TooLarge
         +- RedirectError
         +- ProtocolError
         +- ResumeRefused
         +- RetryLater
         +- WriterError
         +- HookError
         +- InvalidContent
         +- MetadataError
         +- PathError
         +- Cancelled (also a CancelledError)

A download's error names the URL without its secrets and says in `retryable` whether trying again can help.
"""

from twisted_pulp.errors._answer import (
    HTTPStatusError,
    NotAuthorized,
    NotFound,
    ProtocolError,
    RedirectError,
    ResumeRefused,
    RetryLater,
)
from twisted_pulp.errors._catalog import (
    CatalogDamaged,
    CatalogError,
    CatalogFull,
    CatalogLocked,
    CatalogNewer,
    CatalogUnavailable,
    CatalogUncertain,
    DraftLost,
    KeyRefused,
    NameTaken,
    NotInCatalog,
)
from twisted_pulp.errors._connection import (
    BindError,
    BlockedAddress,
    ConnectError,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimeout,
    DNSError,
    DownloadTimeout,
    HeadersTimeout,
    IdleTimeout,
    LowSpeed,
    ProxyError,
    ProxyNotAuthorized,
    ProxyTimeout,
    StreamReset,
    TLSError,
    TotalTimeout,
)
from twisted_pulp.errors._data import DataInUse
from twisted_pulp.errors._file import (
    Cancelled,
    DigestMismatch,
    HookError,
    InvalidContent,
    MetadataError,
    NotStored,
    PathError,
    SizeMismatch,
    StorageDamaged,
    StorageFull,
    StorageRefused,
    StorageUnavailable,
    TooLarge,
    Truncated,
    Unproven,
    WriterError,
)
from twisted_pulp.errors._jobs import (
    BrokerUnavailable,
    ItemsFailed,
    JobError,
    JobNotFound,
    JobStateError,
    KeyConflict,
    LeaseLost,
    QueueFull,
    Stopping,
)
from twisted_pulp.errors._root import (
    DownloadError,
    PulpError,
    SettingsError,
    StorageError,
    shown,
)
from twisted_pulp.errors._sync import FetchFailed, StageStuck, TooManyFailed

__all__ = [
    "BindError",
    "BlockedAddress",
    "BrokerUnavailable",
    "Cancelled",
    "CatalogDamaged",
    "CatalogError",
    "CatalogFull",
    "CatalogLocked",
    "CatalogNewer",
    "CatalogUnavailable",
    "CatalogUncertain",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionLost",
    "ConnectionRefused",
    "DNSError",
    "DataInUse",
    "DigestMismatch",
    "DownloadError",
    "DownloadTimeout",
    "DraftLost",
    "FetchFailed",
    "HTTPStatusError",
    "HeadersTimeout",
    "HookError",
    "IdleTimeout",
    "InvalidContent",
    "ItemsFailed",
    "JobError",
    "JobNotFound",
    "JobStateError",
    "KeyConflict",
    "KeyRefused",
    "LeaseLost",
    "LowSpeed",
    "MetadataError",
    "NameTaken",
    "NotAuthorized",
    "NotFound",
    "NotInCatalog",
    "NotStored",
    "PathError",
    "ProtocolError",
    "ProxyError",
    "ProxyNotAuthorized",
    "ProxyTimeout",
    "PulpError",
    "QueueFull",
    "RedirectError",
    "ResumeRefused",
    "RetryLater",
    "SettingsError",
    "SizeMismatch",
    "StageStuck",
    "Stopping",
    "StorageDamaged",
    "StorageError",
    "StorageFull",
    "StorageRefused",
    "StorageUnavailable",
    "StreamReset",
    "TLSError",
    "TooLarge",
    "TooManyFailed",
    "TotalTimeout",
    "Truncated",
    "Unproven",
    "WriterError",
    "shown",
]
