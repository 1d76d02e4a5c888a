//! Taking the envelope off: a resource, a Bundle, or NDJSON becomes a list of
//! places where resources stand.
//!
//! Nothing here reads inside a resource; what is malformed inside one entry is
//! found later and costs only that entry.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::{Fault, Issues, ParseError, Rejected};
use crate::json::{Cursor, Node, pointer_at, read};
use crate::limits::Limits;

/// How the input is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// One resource or Bundle (`application/fhir+json`).
    FhirJson,
    /// One resource or Bundle a line (`application/fhir+ndjson`).
    NdJson,
    /// Whichever of the two it is.
    #[default]
    Auto,
}

impl Format {
    /// What a media type says; parameters and case do not matter.
    pub fn of_content_type(content_type: Option<&str>) -> Self {
        let essence = content_type.unwrap_or_default();
        let essence = essence
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match essence.as_str() {
            "application/fhir+ndjson"
            | "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/json-seq" => Self::NdJson,
            // A file of lines is often called JSON, so JSON is looked at.
            _ => Self::Auto,
        }
    }
}

/// Where one resource stands.
#[derive(Debug, Clone)]
pub(crate) struct Slot<'a> {
    /// Counted as in [`Rejected::index`].
    pub(crate) index: usize,
    /// Bytes in the text.
    pub(crate) range: Range<usize>,
    /// `Bundle.entry.fullUrl`.
    pub(crate) full_url: Option<Cow<'a, str>>,
    /// The Bundle it came in, as an index into [`Envelope::bundles`].
    pub(crate) bundle: Option<usize>,
    /// `search.mode` is `outcome`, or the Bundle is an answer.
    pub(crate) may_be_outcome: bool,
}

/// What a Bundle says of itself.
#[derive(Debug, Clone)]
pub(crate) struct BundleHead<'a> {
    pub(crate) bundle_type: Option<String>,
    /// `Bundle.meta`, for its security labels, which hold for every entry.
    pub(crate) meta: Option<Node<'a>>,
}

/// An input without its envelope.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) text: &'a str,
    /// Whether the input is one resource and nothing around it.
    pub(crate) single: bool,
    pub(crate) bundles: Vec<BundleHead<'a>>,
    pub(crate) slots: Vec<Slot<'a>>,
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) issues: Issues,
}

/// Takes the envelope off.
pub(crate) fn unwrap<'a>(
    bytes: &'a [u8],
    format: Format,
    limits: &Limits,
) -> Result<Envelope<'a>, ParseError> {
    if bytes.len() > limits.max_bytes {
        return Err(ParseError::new(Fault::TooLarge, limits.max_bytes));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ParseError::new(Fault::NotUtf8, error.valid_up_to()))?;
    let start = if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    let mut opener = Opener {
        limits,
        next_index: 0,
        envelope: Envelope {
            text,
            single: false,
            bundles: Vec::new(),
            slots: Vec::new(),
            rejected: Vec::new(),
            issues: Issues::new(limits.max_issues),
        },
    };
    let mut cursor = opener.cursor(start);
    if cursor.at_end() {
        return Err(ParseError::new(Fault::Empty, cursor.pos));
    }
    if format == Format::NdJson {
        opener.lines(start)?;
    } else {
        opener.whole(cursor, start, format)?;
    }
    Ok(opener.envelope)
}

struct Opener<'a, 'l> {
    limits: &'l Limits,
    next_index: usize,
    envelope: Envelope<'a>,
}

impl<'a> Opener<'a, '_> {
    fn cursor(&self, pos: usize) -> Cursor<'a> {
        // A resource may use the whole depth inside the four levels of a Bundle.
        Cursor::new(self.envelope.text, pos, self.limits.depth() + 4)
    }

    fn error(&self, (fault, offset): (Fault, usize)) -> ParseError {
        let pointer = pointer_at(self.envelope.text, offset, self.limits.depth());
        ParseError {
            fault,
            offset,
            pointer,
        }
    }

    fn whole(
        &mut self,
        mut cursor: Cursor<'a>,
        start: usize,
        format: Format,
    ) -> Result<(), ParseError> {
        if cursor.peek() != Some(b'{') {
            let fault = match cursor.skip_value() {
                Ok(_) => Fault::NotObject,
                Err((fault, _)) => fault,
            };
            return Err(ParseError::new(fault, cursor.pos));
        }
        let top = self.top(cursor.pos)?;
        let end = top.range.end;
        cursor.pos = end;
        if !cursor.at_end() {
            // Lines are recognised by a second object after the first one's end.
            let between = self.envelope.text.get(end..cursor.pos).unwrap_or_default();
            if format == Format::Auto && cursor.peek() == Some(b'{') && between.contains('\n') {
                return self.lines(start);
            }
            return Err(self.error((Fault::Trailing, cursor.pos)));
        }
        match top.type_name.as_deref() {
            None => Err(self.error((Fault::TypeMissing, top.range.start))),
            Some("Bundle") => self.bundle(&top),
            Some(_) => {
                self.envelope.single = true;
                self.slot(top.range, None, None, false)
            }
        }
    }

    fn lines(&mut self, start: usize) -> Result<(), ParseError> {
        let text = self.envelope.text;
        let mut pos = start;
        for line in text.get(start..).unwrap_or_default().split('\n') {
            let line_start = pos;
            pos += line.len() + 1;
            if line.trim().is_empty() {
                continue;
            }
            let mut cursor = self.cursor(line_start);
            cursor.skip_space();
            // A line that cannot even be skipped is read, and refused, as it stands.
            let range = cursor.pos..line_start + line.trim_end().len();
            let is_bundle = line.contains("\"Bundle\"")
                && cursor
                    .skip_value()
                    .is_ok_and(|skipped| skipped.end <= range.end);
            let top = if is_bundle {
                self.top(range.start).ok()
            } else {
                None
            };
            match top {
                Some(top) if top.type_name.as_deref() == Some("Bundle") => {
                    if let Err(error) = self.bundle(&top) {
                        if error.fault == Fault::TooManyResources {
                            return Err(error);
                        }
                        let index = self.take_index()?;
                        let rejected = Rejected::new(index, error.fault, "");
                        self.envelope.rejected.push(rejected);
                    }
                }
                _ => self.slot(range, None, None, false)?,
            }
        }
        Ok(())
    }

    fn take_index(&mut self) -> Result<usize, ParseError> {
        let index = self.next_index;
        if index >= self.limits.max_resources {
            return Err(ParseError::new(Fault::TooManyResources, 0));
        }
        self.next_index += 1;
        Ok(index)
    }

    fn slot(
        &mut self,
        range: Range<usize>,
        full_url: Option<Cow<'a, str>>,
        bundle: Option<usize>,
        may_be_outcome: bool,
    ) -> Result<(), ParseError> {
        let index = self.take_index()?;
        self.envelope.slots.push(Slot {
            index,
            range,
            full_url,
            bundle,
            may_be_outcome,
        });
        Ok(())
    }

    /// The members of the outermost object that say what it is.
    fn top(&self, start: usize) -> Result<Top<'a>, ParseError> {
        let mut cursor = self.cursor(start);
        cursor.enter(b'{').map_err(|at| self.error(at))?;
        let mut top = Top::default();
        let mut first = true;
        while let Some((key, value)) = cursor.next_member(first).map_err(|at| self.error(at))? {
            first = false;
            let slot = match key.as_ref() {
                "resourceType" => &mut top.resource_type,
                "type" => &mut top.kind,
                "meta" => &mut top.meta,
                "entry" => &mut top.entry,
                _ => continue,
            };
            if slot.is_some() && matches!(key.as_ref(), "resourceType" | "entry") {
                return Err(self.error((Fault::DuplicateKey, value.start)));
            }
            *slot = Some(value);
        }
        top.range = start..cursor.pos;
        top.type_name = match top.resource_type.clone().and_then(|at| self.small(at)) {
            Some(Node::String(name)) => Some(name),
            _ => None,
        };
        Ok(top)
    }

    /// Reads a small part of the envelope; none where it is malformed.
    fn small(&self, range: Range<usize>) -> Option<Node<'a>> {
        let text = self.envelope.text.get(range)?;
        read(text, self.limits).ok().map(|read| read.node)
    }

    fn bundle(&mut self, top: &Top<'a>) -> Result<(), ParseError> {
        let bundle_type = match top.kind.clone().and_then(|at| self.small(at)) {
            Some(Node::String(name)) => Some(name.into_owned()),
            _ => None,
        };
        let is_answer = bundle_type
            .as_deref()
            .is_some_and(|name| name.ends_with("-response"));
        let meta = top.meta.clone().and_then(|at| self.small(at));
        self.envelope.bundles.push(BundleHead { bundle_type, meta });
        let bundle = self.envelope.bundles.len() - 1;
        let Some(entries) = top.entry.clone() else {
            return Ok(());
        };
        let mut cursor = self.cursor(entries.start);
        match cursor.peek() {
            Some(b'[') => {
                cursor.enter(b'[').map_err(|at| self.error(at))?;
                let mut first = true;
                while cursor.more_items(first).map_err(|at| self.error(at))? {
                    first = false;
                    cursor.pos = self.entry(cursor.pos, bundle, is_answer)?;
                }
                Ok(())
            }
            Some(b'n') => Ok(()),
            Some(b'{') => {
                let offset = entries.start;
                let (text, depth) = (self.envelope.text, self.limits.depth());
                self.envelope
                    .issues
                    .push(None, Fault::WrongType, || pointer_at(text, offset, depth));
                self.entry(entries.start, bundle, is_answer).map(|_| ())
            }
            _ => Err(self.error((Fault::WrongType, entries.start))),
        }
    }

    /// Takes one entry and answers where it ends.
    fn entry(&mut self, start: usize, bundle: usize, is_answer: bool) -> Result<usize, ParseError> {
        let members = match self.entry_members(start) {
            Ok(members) => members,
            Err((fault, offset)) => {
                // Malformed, but perhaps it can be stepped over.
                let skipped = self
                    .cursor(start)
                    .skip_value()
                    .map_err(|at| self.error(at))?;
                self.reject(fault, offset)?;
                return Ok(skipped.end);
            }
        };
        let Some(resource) = members.resource else {
            self.reject(Fault::NoResource, start)?;
            return Ok(members.end);
        };
        let full_url = match members.full_url.and_then(|at| self.small(at)) {
            Some(Node::String(url)) if !url.trim().is_empty() => Some(url),
            _ => None,
        };
        let is_outcome = members
            .search
            .and_then(|at| self.small(at))
            .is_some_and(|search| search.str_at("mode") == Some("outcome"));
        self.slot(resource, full_url, Some(bundle), is_outcome || is_answer)?;
        Ok(members.end)
    }

    fn entry_members(&self, start: usize) -> Result<EntryMembers, (Fault, usize)> {
        let mut members = EntryMembers::default();
        let mut cursor = self.cursor(start);
        if cursor.peek() != Some(b'{') {
            return Err((Fault::NoResource, start));
        }
        cursor.enter(b'{')?;
        let mut first = true;
        while let Some((key, value)) = cursor.next_member(first)? {
            first = false;
            match key.as_ref() {
                "resource" if members.resource.is_some() => {
                    return Err((Fault::DuplicateKey, value.start));
                }
                "resource" if self.envelope.text.as_bytes().get(value.start) == Some(&b'n') => {}
                "resource" => members.resource = Some(value),
                "fullUrl" => members.full_url = Some(value),
                "search" => members.search = Some(value),
                _ => {}
            }
        }
        members.end = cursor.pos;
        Ok(members)
    }

    fn reject(&mut self, fault: Fault, offset: usize) -> Result<(), ParseError> {
        let index = self.take_index()?;
        // Finding the pointer walks the text from its start, so only the first
        // few refusals pay for it: a million empty entries stay cheap.
        let pointer = if self.envelope.rejected.len() < POINTERS_FOUND {
            pointer_at(self.envelope.text, offset, self.limits.depth())
        } else {
            String::new()
        };
        self.envelope
            .rejected
            .push(Rejected::new(index, fault, &pointer));
        Ok(())
    }
}

/// For how many refusals and issues the JSON pointer is looked for.
pub(crate) const POINTERS_FOUND: usize = 20;

#[derive(Default)]
struct Top<'a> {
    range: Range<usize>,
    type_name: Option<Cow<'a, str>>,
    resource_type: Option<Range<usize>>,
    kind: Option<Range<usize>>,
    meta: Option<Range<usize>>,
    entry: Option<Range<usize>>,
}

#[derive(Default)]
struct EntryMembers {
    end: usize,
    resource: Option<Range<usize>>,
    full_url: Option<Range<usize>>,
    search: Option<Range<usize>>,
}
