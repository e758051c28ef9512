"""The local pool: one machine, each replica an OS process. Linux only (``/proc``, pidfd, flock).

The directory is the interface. Any process may write what ought to run (``workload.json``) and read
what does (``state.json``); exactly one, the *supervisor*, which holds ``flock`` on
``supervisor.lock``, makes the one follow from the other. When it dies, however it dies, the kernel
lets go of the lock, another started driver takes over and adopts what runs. Replicas are sessions
of their own and notice nothing of it.

::

    supervisor.lock  writers.lock
    _bells/            FIFOs: "supervisor" is rung by apply, the others by the supervisor
    _ended/            one file for each ended allocation, until it is forgotten
    _new/  _trash/     files on their way in, directories on their way out
    <environment id>/
        workload.json  what ought to be there; written by apply and remove
        state.json     what is there; written by the supervisor, ahead of what it does
        logs/          <component>.<slot>.log and .log.1
        data/          <component>.<slot>/, the DATA_DIR of slots with storage
        run/           <incarnation>/, working directory, gone with the incarnation

Replicas run as the account of the control plane. Departments that must not see each other's files
belong on a pool that separates them: Kubernetes or OpenStack.
"""
