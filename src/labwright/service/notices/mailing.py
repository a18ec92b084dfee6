"""Sends mail, as the lab's desk.yaml says where."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate

from labwright.model.desk import MailServer
from labwright.model.errors import CommunicationError, ConfigError

TIMEOUT_S = 20.0


def send(server: MailServer, to: str, subject: str, body: str, name: str) -> None:
    """Send one mail.

    Args:
        server: that takes it.
        to: address of its reader.
        subject: one line.
        body: text.
        name: of the message, the same at every try, by which a reader's program knows a repetition.

    Raises:
        ConfigError: the password cannot be read.
        CommunicationError: the server does not take it.
    """
    domain = server.sender.rpartition("@")[2]
    try:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = server.sender, to, subject
        message["Date"], message["Message-ID"] = formatdate(), f"<{name}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body)
        with _connected(server) as smtp:
            smtp.send_message(message)
    except (smtplib.SMTPException, OSError, ValueError) as error:  # ValueError: a line break in a header
        raise CommunicationError(f"{server.host} does not take the mail: {error}") from error


def _connected(server: MailServer) -> smtplib.SMTP:
    password = ""
    if server.user:
        try:
            password = server.password_file.read_text(encoding="utf-8").strip() if server.password_file else ""
        except OSError as error:
            raise ConfigError(f"mail.password_file: {server.password_file}: {error.strerror}") from error
    if server.security == "tls":
        context = ssl.create_default_context()
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=context)
    else:
        smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
        if server.security == "starttls":
            smtp.starttls(context=ssl.create_default_context())
    if server.user:
        smtp.login(server.user, password)
    return smtp
