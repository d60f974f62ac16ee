"""PDF files for tests, written by hand so that every byte is known."""

from __future__ import annotations

import io

from pypdf import PdfReader, PdfWriter


def pdf_of(*pages: str, title: str | None = None) -> bytes:
    """A PDF whose pages each show one line of ASCII text."""
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    bodies = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for i, text in enumerate(pages):
        drawing = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        bodies.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * i} 0 R >>"
        )
        bodies.append(f"<< /Length {len(drawing)} >>\nstream\n{drawing}\nendstream")
    bodies.append(f"<< /Title ({title or ''}) >>")
    return _file(bodies)


def encrypted(pdf: bytes, user_password: str) -> bytes:
    """The PDF, encrypted."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf)))
    writer.encrypt(user_password, "owner's", algorithm="AES-256")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def _file(bodies: list[str]) -> bytes:
    content = b"%PDF-1.7\n"
    offsets: list[int] = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size, start = len(bodies) + 1, len(content)
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R /Info {len(bodies)} 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return content + f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()
