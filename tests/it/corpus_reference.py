"""Reads mail files with Python's own e-mail package and prints what it finds, one JSON line each.

Usage: corpus_reference.py FOLDER    (paths are printed relative to FOLDER)
Only the standard library; the reference for tests/it/corpus.rs.
"""
import datetime
import email
import email.policy
import json
import pathlib
import sys

ROLES = ("from", "to", "cc", "bcc", "reply-to")


def tried(read):
    """What `read` returns, or the name of what it raised: the package has bugs of its own."""
    try:
        return read()
    except Exception as error:  # any, that is the point
        return {"raised": type(error).__name__}


def addresses(message, role):
    found = []
    for field in message.get_all(role, []):
        found += [[address.addr_spec, address.display_name] for address in field.addresses]
    return found


def date(message):
    field = message["date"]
    if field is None or field.datetime is None:
        return None
    when = field.datetime
    if when.tzinfo is None:  # -0000: the time is UTC, the zone unknown
        when = when.replace(tzinfo=datetime.timezone.utc)
    return int(when.timestamp())


def file_names(part, found):
    if part.get_content_maintype() == "multipart":
        for child in part.iter_parts():
            file_names(child, found)
    else:
        name = part.get_filename()
        if name:
            found.append(name)
    return found


def describe(path):
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    fields = {
        "subject": tried(lambda: str(message.get("subject", "")).strip()),
        "date": tried(lambda: date(message)),
        "attachments": tried(lambda: file_names(message, [])),
    }
    for role in ROLES:
        fields[role] = tried(lambda role=role: addresses(message, role))
    return fields


def main():
    folder = pathlib.Path(sys.argv[1])
    mails = [path for path in folder.glob("*/**/*") if path.is_file() and not path.name.startswith(".")]
    for path in sorted(mails):
        line = {"path": path.relative_to(folder).as_posix(), "fields": tried(lambda: describe(path))}
        # Raw 8-bit bytes come out of the package as lone surrogates, which are no Unicode.
        text = json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        sys.stdout.buffer.write(text.encode("utf-8") + b"\n")


if __name__ == "__main__":
    main()
