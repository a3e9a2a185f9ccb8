"""The routes of certificates."""

import asyncio
from typing import Annotated

from sekisho.certs import schemas
from sekisho.certs.service import CertificateService
from sekisho.rest.routing import ReadSystem, guarded_router, provided

router = guarded_router("certificates")

Certificates = Annotated[CertificateService, provided(CertificateService)]


@router.get("/api/certificates")
async def list_certificates(_: ReadSystem, certificates: Certificates) -> schemas.CertificateList:
    """Roots and certificates of the doors, with their ends; read from disk now."""
    found = await asyncio.to_thread(certificates.all)
    return schemas.CertificateList.of(found, certificates.mode, certificates.root(), certificates.now())
