"""Ray's and Tune's environment variables, set before either is imported; workers inherit them.

What the user has set already stays.
"""

from __future__ import annotations

import os

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no telemetry
    "RAY_AUTH_MODE": "token",  # the default of a local Ray, without the warning that it is on
    "RAY_AIR_NEW_OUTPUT": "0",  # with verbose=0 the only way to silence Tune's own tables
    "RAY_prestart_worker_first_driver": "0",  # no trial would run in these processes
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the records hold the results
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # and the state
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "1000",  # all slots start at once; the searcher bounds them
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the runner has one, which remembers the signal
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}

OBJECT_STORE_BYTES = 100 << 20
"""Of a Ray of our own, in /dev/shm: trials are told where their data is, and not sent it."""


def stay_on_this_machine() -> None:
    """Have a Ray of our own listen on 127.0.0.1 alone. Call it before anything imports ray.

    Else all of its processes but the dashboard listen to the network. The variable is named for
    other systems, but it decides on Linux, too, whether nodes elsewhere may join.
    """
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


for name, value in _SETTINGS.items():
    os.environ.setdefault(name, value)
