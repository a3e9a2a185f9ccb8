"""The bodies of the certificate routes."""

from pydantic import Field

from sekisho.certs.model import CertificateFacts, CertificateFault
from sekisho.kit.clock import SECOND
from sekisho.rest.schemas import Time, Told

DAY = 24 * 3600 * SECOND


class CertificateTold(Told):
    role: str = Field(description="`root`, or `server`: what the doors show.")
    mode: str = Field(description="The `tls.mode` that it belongs to.")
    in_use: bool = Field(description="Whether it is of the mode that is set.")
    path: str
    key_path: str | None
    subject: str
    issuer: str
    names: list[str] = Field(description="Host names and addresses that it is good for.")
    serial: str
    fingerprint_sha256: str
    not_before: Time
    expires_at: Time
    days_left: int = Field(description="Whole days until its end; below 0 once that is past.")

    @classmethod
    def of(cls, facts: CertificateFacts, now: int) -> "CertificateTold":
        return cls(
            role=facts.role,
            mode=facts.mode,
            in_use=facts.in_use,
            path=facts.path,
            key_path=facts.key_path,
            subject=facts.subject,
            issuer=facts.issuer,
            names=list(facts.names),
            serial=facts.serial,
            fingerprint_sha256=facts.fingerprint,
            not_before=facts.not_before,
            expires_at=facts.not_after,
            days_left=(facts.not_after - now) // DAY,
        )


class FaultTold(Told):
    path: str
    message: str


class CertificateList(Told):
    mode: str = Field(description="`tls.mode` in force.")
    certificates: list[CertificateTold]
    faults: list[FaultTold] = Field(description="Files that should be certificates and are none.")
    root: str | None = Field(description="Path of the root that clients have to trust, where one is made here; it may not be there yet.")
    next_cursor: str | None = None

    @classmethod
    def of(cls, found: list[CertificateFacts | CertificateFault], mode: str, root: str | None, now: int) -> "CertificateList":
        return cls(
            mode=mode,
            certificates=[CertificateTold.of(each, now) for each in found if isinstance(each, CertificateFacts)],
            faults=[FaultTold(path=each.path, message=each.message) for each in found if isinstance(each, CertificateFault)],
            root=root,
        )
