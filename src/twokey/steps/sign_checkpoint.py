"""Sign the audit log as it stands: a checkpoint, from which no later log can differ unnoticed.

Rules kept here:
- what is signed follows from what was signed last, which the signer keeps outside the database: a shorter log, or one
  with another beginning, is refused, and stays refused until an operator accepts the restored log on record;
- the signer remembers a checkpoint before anybody else sees it, so that two that contradict each other cannot be made;
- where nothing was added, nothing is signed again;
- what is signed is sent to where it is kept out of reach by a job of the same transaction.
"""

from __future__ import annotations

from twokey.domain.audit import Happening
from twokey.domain.errors import Refused
from twokey.domain.identity import Actor
from twokey.domain.job import JobKind
from twokey.domain.transparency.note import Checkpoint, Note, sign
from twokey.ports import Signer, Store, UnitOfWork


def sign_checkpoint(store: Store, signer: Signer) -> Note | None:
    """The checkpoint of the log as it stands; nothing where it is empty. Raises Refused for a log that was set back."""
    with store.begin() as uow:
        size = uow.audit.size()
        last = signer.last()
        if problem := contradiction(uow, last):
            raise Refused(problem)
        if last is not None and last.checkpoint.size == size:
            if not uow.audit.checkpoints(1) or uow.audit.checkpoints(1)[0].checkpoint.size < size:
                _keep(uow, signer, last)  # it was signed, and the process ended before it was stored
            return last
        if size == 0:
            return None
        checkpoint = Checkpoint(origin=signer.key.name, size=size, root=uow.audit.root(size))
        note = sign(checkpoint, [(signer.key, signer.sign)])
        signer.keep(note)
        _keep(uow, signer, note)
        return note


def _keep(uow: UnitOfWork, signer: Signer, note: Note) -> None:
    uow.audit.keep_checkpoint(note)
    if signer.exported:
        uow.jobs.enqueue(JobKind.EXPORT_CHECKPOINT, str(note.checkpoint.size), uow.now)


def contradiction(uow: UnitOfWork, last: Note | None) -> str:
    """Why the log cannot be the continuation of what was signed last; nothing where it is."""
    if last is None:
        return ""
    said, size = last.checkpoint, uow.audit.size()
    if size < said.size:
        counted = f"the log has {size} entries, but {said.size} were signed"
        return f"{counted}: it was restored from an older copy, or cut off"
    try:
        same = uow.audit.root(said.size) == said.root
    except LookupError as error:
        return f"the tree over the log is damaged: {error}"
    forked = f"the first {said.size} entries are not those that were signed: the log was forked or altered"
    return "" if same else forked


def accept(uow: UnitOfWork, actor: Actor, last: Note, reason: str) -> None:
    """Put on record that a log which contradicts what was signed is accepted, with what was signed and why."""
    uow.audit.append(
        Happening(
            action="audit.accept",
            subject="audit",
            actor=actor.reference(),
            detail={"reason": reason, "signed": last.text, "found": uow.audit.size()},
        )
    )


def accept_restored(store: Store, actor: Actor, last: Note | None, reason: str) -> bool:
    """Accept a log that contradicts what was signed last. Whether it does; nothing is recorded where it does not."""
    with store.begin() as uow:
        if last is None or not contradiction(uow, last):
            return False
        accept(uow, actor, last, reason)
        return True
