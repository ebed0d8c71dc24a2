"""The tables of a workspace. What is in ``versions`` and ``events`` is never changed."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Json = dict[str, Any]


class Status(StrEnum):
    """How far a scan has come."""

    NEW = "new"
    IN_PROGRESS = "in progress"
    LABELLED = "labelled"
    REVIEWED = "reviewed"
    SET_ASIDE = "set aside"


class Content(StrEnum):
    """What a label version holds; each has a line of versions of its own."""

    MASK = "mask"
    ANSWERS = "answers"
    POINTS = "points"


class Progress(StrEnum):
    """How far a job has come."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Decision(StrEnum):
    """What a reviewer makes of a prediction or a label."""

    ACCEPT = "accept"
    CORRECT = "correct"
    REJECT = "reject"


class Role(StrEnum):
    """What a person is there for; :func:`medlib.workspace.may` says what each may do."""

    READER = "reader"
    REVIEWER = "reviewer"
    ADMINISTRATOR = "administrator"


class Moment(TypeDecorator[datetime]):
    """A time with its zone: UTC, also where the database keeps none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What is stored."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What is read."""
        if value is None or value.tzinfo is None:
            return value and value.replace(tzinfo=UTC)
        return value.astimezone(UTC)


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def _words(kind: type[StrEnum]) -> Enum:
    return Enum(
        kind, native_enum=False, length=20, values_callable=lambda e: [str(one) for one in e]
    )


class Row(DeclarativeBase):
    """A row; once read it is a plain value, and changing it changes nothing in the workspace."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Moment(),
        Json: JSON(),
        list[Any]: JSON(),
        **{kind: _words(kind) for kind in (Status, Content, Progress, Decision, Role)},
    }

    def said(self) -> Json:
        """Its columns as plain JSON values."""
        found = {column.key: getattr(self, column.key) for column in self.__table__.columns}
        return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in found.items()}


class Setting(Row):
    """A word about the workspace itself."""

    __tablename__ = "settings"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class User(Row):
    """A person with an account."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    role: Mapped[Role]
    password: Mapped[str | None] = mapped_column(String(200))  # argon2id, with its salt
    subject: Mapped[str | None] = mapped_column(String(255), unique=True)  # of OpenID Connect
    active: Mapped[bool] = mapped_column(default=True)
    failures: Mapped[int] = mapped_column(default=0)  # wrong passwords since the last right one
    failed: Mapped[datetime | None]
    made: Mapped[datetime] = mapped_column(default=now)


class Login(Row):
    """A session in a browser. The token itself is nowhere but there."""

    __tablename__ = "logins"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    made: Mapped[datetime] = mapped_column(default=now)
    expires: Mapped[datetime]


class Patient(Row):
    """A patient, known by a pseudonym."""

    __tablename__ = "patients"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(20), unique=True)
    # The day (proleptic Gregorian) that its studies' days are counted from: drawn by chance, and
    # forgotten with the name.
    origin: Mapped[int | None]


class Identity(Row):
    """Who a patient is: the only table that says so."""

    __tablename__ = "identities"
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(330))  # five groups of 64 characters, DICOM's PN
    number: Mapped[str] = mapped_column(String(64))  # PatientID (0010,0020)
    born: Mapped[str] = mapped_column(String(20))


class Study(Row):
    """An examination of a patient."""

    __tablename__ = "studies"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(20), unique=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"), index=True)
    day: Mapped[int | None]  # counted from the patient's origin
    second: Mapped[int | None]  # of the day


class StudyDate(Row):
    """On which date a study was made; as identities, for those who may know."""

    __tablename__ = "study_dates"
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"), primary_key=True)
    made: Mapped[str] = mapped_column(String(8))  # StudyDate (0008,0020), YYYYMMDD


class Scan(Row):
    """A volume of a study, and where it stands on the worklist."""

    __tablename__ = "scans"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    kind: Mapped[str] = mapped_column(String(40))  # its class in medlib.types
    modality: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(String(16))  # dicom, nifti, picture
    part: Mapped[str] = mapped_column(String(80))  # which volume, where its files hold several
    grid: Mapped[Json]
    digest: Mapped[str] = mapped_column(String(64), unique=True)  # of its files and part
    warnings: Mapped[list[Any]]
    status: Mapped[Status] = mapped_column(default=Status.NEW, index=True)
    reader: Mapped[str | None] = mapped_column(String(80), index=True)
    usefulness: Mapped[float | None] = mapped_column(index=True)  # to label next; more is more
    usefulness_reason: Mapped[str] = mapped_column(Text, default="")
    added: Mapped[datetime] = mapped_column(default=now)
    # As medlib.workspace.series.Series.to_dict; None until its files have been looked at.
    series: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))


class Description(Row):
    """A scan's SeriesDescription as it was sent, which may name people; as identities."""

    __tablename__ = "descriptions"
    scan_id: Mapped[int] = mapped_column(ForeignKey("scans.id"), primary_key=True)
    text: Mapped[str] = mapped_column(String(330))


class ScanFile(Row):
    """A file of a scan: a copy in the workspace (``content``), or where it lies (``path``)."""

    __tablename__ = "scan_files"
    scan_id: Mapped[int] = mapped_column(ForeignKey("scans.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    content: Mapped[str | None] = mapped_column(String(80))
    path: Mapped[str | None] = mapped_column(Text)
    member: Mapped[str | None] = mapped_column(Text)  # inside the archive at path


class Tag(Row):
    """A word that somebody put on a scan."""

    __tablename__ = "tags"
    scan_id: Mapped[int] = mapped_column(ForeignKey("scans.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(60), primary_key=True)


class LabelSet(Row):
    """What is asked of scans: structures, questions about the study, landmarks."""

    __tablename__ = "label_sets"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    labels: Mapped[list[Any]]  # as medlib.types.Labels.to_list
    questions: Mapped[list[Any]]
    landmarks: Mapped[list[Any]]
    revision: Mapped[int] = mapped_column(default=1)


class Version(Row):
    """What was said of a scan at one time; never changed."""

    __tablename__ = "versions"
    id: Mapped[int] = mapped_column(primary_key=True)
    scan_id: Mapped[int] = mapped_column(ForeignKey("scans.id"), index=True)
    label_set_id: Mapped[int] = mapped_column(ForeignKey("label_sets.id"), index=True)
    content: Mapped[Content]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("versions.id"))
    merges_id: Mapped[int | None] = mapped_column(ForeignKey("versions.id"))
    revision: Mapped[int]  # one more than its parent's
    aside: Mapped[bool]  # saved on an outdated parent: kept, and not what counts
    author: Mapped[str] = mapped_column(String(80))
    made: Mapped[datetime]
    origin: Mapped[str] = mapped_column(String(40))  # drawn, corrected, accepted, imported, merged
    file: Mapped[str | None] = mapped_column(String(80))  # of a mask
    entries: Mapped[Json]  # of answers and points
    seen: Mapped[Json]  # which slices are done
    # The structures looked for, and the landmarks looked at; None for all.
    annotated: Mapped[list[Any] | None]


class Head(Row):
    """Which version counts."""

    __tablename__ = "heads"
    scan_id: Mapped[int] = mapped_column(ForeignKey("scans.id"), primary_key=True)
    label_set_id: Mapped[int] = mapped_column(ForeignKey("label_sets.id"), primary_key=True)
    content: Mapped[Content] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"))


class Job(Row):
    """Work for a process of its own."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index(
            "one_running_job_a_device",
            "device",
            unique=True,
            sqlite_where=text("status = 'running'"),
            postgresql_where=text("status = 'running'"),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    device: Mapped[str] = mapped_column(String(40))
    request: Mapped[Json]
    status: Mapped[Progress] = mapped_column(default=Progress.QUEUED, index=True)
    asked_by: Mapped[str] = mapped_column(String(80))
    queued: Mapped[datetime] = mapped_column(default=now)
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]
    heartbeat: Mapped[datetime | None]
    worker: Mapped[str] = mapped_column(String(100), default="")
    progress: Mapped[Json] = mapped_column(default=dict)
    result: Mapped[Json] = mapped_column(default=dict)
    error: Mapped[str] = mapped_column(Text, default="")
    cancelling: Mapped[bool] = mapped_column(default=False)


class Model(Row):
    """A trained model; its package is a file of the workspace."""

    __tablename__ = "models"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    label_set_id: Mapped[int] = mapped_column(ForeignKey("label_sets.id"), index=True)
    job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"))
    file: Mapped[str] = mapped_column(String(80))
    card: Mapped[Json]
    made: Mapped[datetime] = mapped_column(default=now)


class Prediction(Row):
    """What a model found in a scan."""

    __tablename__ = "predictions"
    id: Mapped[int] = mapped_column(primary_key=True)
    scan_id: Mapped[int] = mapped_column(ForeignKey("scans.id"), index=True)
    label_set_id: Mapped[int] = mapped_column(ForeignKey("label_sets.id"), index=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"), index=True)
    content: Mapped[Content]
    file: Mapped[str | None] = mapped_column(String(80))
    uncertainty: Mapped[str | None] = mapped_column(String(80))  # a file: a volume on the same grid
    entries: Mapped[Json]
    figures: Mapped[Json]  # volumes, flags with their reasons, uncertainty a slice
    made: Mapped[datetime] = mapped_column(default=now)


class Review(Row):
    """A person's decision on a prediction, or, where it names none, on a label version."""

    __tablename__ = "reviews"
    __table_args__ = (
        UniqueConstraint("prediction_id", "round"),
        Index(
            "one_decision_a_label",
            "version_id",
            unique=True,
            sqlite_where=text("prediction_id IS NULL"),
            postgresql_where=text("prediction_id IS NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    scan_id: Mapped[int] = mapped_column(ForeignKey("scans.id"), index=True)
    prediction_id: Mapped[int | None] = mapped_column(ForeignKey("predictions.id"), index=True)
    # What came of the prediction; or the label that the decision is on.
    version_id: Mapped[int | None] = mapped_column(ForeignKey("versions.id"))
    round: Mapped[int]  # 1 first reader, 2 second, 3 adjudication
    decision: Mapped[Decision]
    reason: Mapped[str] = mapped_column(Text)
    reviewer: Mapped[str] = mapped_column(String(80))
    made: Mapped[datetime] = mapped_column(default=now)


class Comment(Row):
    """A remark on a scan; ``place`` is LPS millimetres, where it is about a place."""

    __tablename__ = "comments"
    id: Mapped[int] = mapped_column(primary_key=True)
    scan_id: Mapped[int] = mapped_column(ForeignKey("scans.id"), index=True)
    author: Mapped[str] = mapped_column(String(80))
    made: Mapped[datetime] = mapped_column(default=now)
    text: Mapped[str] = mapped_column(Text)
    place: Mapped[list[Any] | None]


class Event(Row):
    """Who did what when; each row bears the digest of the one before."""

    __tablename__ = "events"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    made: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(80))
    what: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(80), index=True)
    details: Mapped[str] = mapped_column(Text)  # canonical JSON, as it was digested
    previous: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))
