//! The lines of a block that the hub writes itself: `event:` and `id:`.

use jupyter_sse_codec::Position;

/// What the longest pair of lines takes beside type, qualifier, own id and position, in bytes.
pub(crate) const LABEL_BYTES: usize = 24;

/// What stands in an `id:` line.
pub(crate) enum IdText<'a> {
    Own(&'a [u8]),
    Position(Position),
}

/// Writes `event: [qualifier:]type`; without qualifier the default type needs no line.
pub(crate) fn write_event_line(out: &mut Vec<u8>, qualifier: Option<&str>, event: &[u8]) {
    if qualifier.is_none() && event.is_empty() {
        return;
    }
    out.extend_from_slice(b"event: ");
    if let Some(name) = qualifier {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(if event.is_empty() { b"message" } else { event });
    } else {
        out.extend_from_slice(event);
    }
    out.push(b'\n');
}

/// Writes `id: …` and returns the id's length.
pub(crate) fn write_id_line(out: &mut Vec<u8>, id: &IdText<'_>) -> usize {
    out.extend_from_slice(b"id: ");
    let before = out.len();
    match id {
        IdText::Own(id) => out.extend_from_slice(id),
        IdText::Position(position) => position.write(out),
    }
    let len = out.len() - before;
    out.push(b'\n');
    len
}

/// The type of a block whose type has this length, and what follows its line.
pub(crate) fn split_event_line(wire: &[u8], type_len: usize) -> (&[u8], &[u8]) {
    if type_len == 0 {
        return (b"", wire);
    }
    let (line, rest) = split(wire, b"event: \n".len() + type_len);
    (value(line, b"event: ".len()), rest)
}

/// The `id:` line of an id of this length at the start of `wire`, and what follows it.
pub(crate) fn split_id_line(wire: &[u8], id_len: usize) -> (&[u8], &[u8]) {
    split(wire, b"id: \n".len() + id_len)
}

/// The id in an `id:` line.
pub(crate) fn id_in(line: &[u8]) -> &[u8] {
    value(line, b"id: ".len())
}

fn split(wire: &[u8], at: usize) -> (&[u8], &[u8]) {
    wire.split_at_checked(at).unwrap_or((wire, b""))
}

fn value(line: &[u8], label: usize) -> &[u8] {
    line.get(label..line.len().saturating_sub(1))
        .unwrap_or_default()
}
