//! Finds where a response ends, byte by byte, without ever looking ahead or back far.

use super::GuardError;

/// Longest text of one response, literals not counted, in bytes.
pub const TEXT_LIMIT: usize = 64 << 10;
/// Deepest nesting of parentheses; the parser behind recurses, and dies at a few hundred.
pub const DEPTH_LIMIT: u32 = 32;
/// Most literals in one response.
const LITERALS_LIMIT: u8 = 64;
/// Longest number in a literal's announcement; more digits are over every limit.
const DIGITS_LIMIT: u8 = 10;

/// What stopped [`Framer::feed`].
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing left to look at.
    More,
    /// A literal of this many bytes follows, to be kept outside of the text.
    Literal(u64),
    /// A response, with its line end.
    Complete(Vec<u8>),
}

/// How a response is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Free text to the end of the line: status responses, tagged or not, and continuations.
    Line,
    /// Structured data whose literals are lifted out.
    Fetch,
    /// Structured data with small literals, which stay in the text.
    Data,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Quoted,
    Escape,
    /// After `{` and so many digits.
    Size {
        number: u64,
        digits: u8,
    },
    SizeEnd(u64),
    SizeCr(u64),
    /// Inside a literal that stays in the text.
    Inline(u64),
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct Framer {
    state: State,
    kind: Option<Kind>,
    text: Vec<u8>,
    /// Where the current `{` stands in the text.
    brace: usize,
    /// Open parentheses, those inside quotes included, which never close.
    depth: u32,
    /// Open parentheses outside of quotes.
    level: u32,
    literals: u8,
}

impl Framer {
    /// Whether no response has begun.
    pub fn is_at_start(&self) -> bool {
        self.text.is_empty()
    }

    /// Bytes of memory held.
    pub fn buffered(&self) -> usize {
        self.text.capacity()
    }

    /// Looks at `input` until something is found; returns how much was used.
    pub fn feed(&mut self, input: &[u8]) -> Result<(usize, Step), GuardError> {
        for (index, byte) in input.iter().enumerate() {
            if self.text.len() >= TEXT_LIMIT {
                return Err(GuardError::Limit("the text of a response"));
            }
            self.text.push(*byte);
            match self.step(*byte)? {
                Step::More => {}
                found => return Ok((index + 1, found)),
            }
        }
        Ok((input.len(), Step::More))
    }

    fn step(&mut self, byte: u8) -> Result<Step, GuardError> {
        if let State::Inline(left) = self.state {
            self.state = if left > 1 { State::Inline(left - 1) } else { State::Text };
            return Ok(Step::More);
        }
        if byte == 0 {
            return Err(GuardError::Violation("a NUL outside of a literal"));
        }
        if byte == b'\n' {
            return self.line_end();
        }
        if self.kind() == Kind::Line {
            return Ok(Step::More);
        }
        self.state = match (self.state, byte) {
            (State::Size { number, digits }, b'0'..=b'9') => {
                if digits == DIGITS_LIMIT {
                    return Err(GuardError::Limit("a literal"));
                }
                State::Size { number: number * 10 + u64::from(byte - b'0'), digits: digits + 1 }
            }
            (State::Size { number, digits }, b'}') if digits > 0 => State::SizeEnd(number),
            (State::SizeEnd(number), b'\r') => State::SizeCr(number),
            (State::Size { .. } | State::SizeEnd(_) | State::SizeCr(_), _) => {
                return Err(GuardError::Violation("a malformed literal"));
            }
            (State::Escape, _) => self.nest(byte, State::Quoted)?,
            (State::Quoted, b'\\') => State::Escape,
            (State::Quoted, b'"') => State::Text,
            (State::Text, b'"') => State::Quoted,
            (State::Text, b'{') => self.brace()?,
            (state, _) => self.nest(byte, state)?,
        };
        Ok(Step::More)
    }

    /// Parentheses count even inside quotes: the parser may disagree about where quotes begin.
    fn nest(&mut self, byte: u8, state: State) -> Result<State, GuardError> {
        match (byte, state) {
            (b'(', State::Text) => (self.depth, self.level) = (self.depth + 1, self.level + 1),
            (b'(', _) => self.depth += 1,
            (b')', State::Text) => {
                let level = self.level.checked_sub(1).ok_or(GuardError::Violation("unbalanced parentheses"))?;
                (self.depth, self.level) = (self.depth - 1, level);
            }
            _ => {}
        }
        if self.depth > DEPTH_LIMIT {
            return Err(GuardError::Limit("nesting"));
        }
        Ok(state)
    }

    fn brace(&mut self) -> Result<State, GuardError> {
        self.brace = self.text.len() - 1;
        match self.text.get(..self.brace).and_then(<[u8]>::last) {
            Some(b' ' | b'(') => Ok(State::Size { number: 0, digits: 0 }),
            _ => Err(GuardError::Violation("a literal inside a word")),
        }
    }

    fn line_end(&mut self) -> Result<Step, GuardError> {
        let kind = self.kind();
        match (self.state, kind) {
            (State::SizeCr(announced), Kind::Fetch) => self.lift(announced),
            (State::SizeCr(announced), Kind::Data) => {
                if announced > TEXT_LIMIT as u64 {
                    return Err(GuardError::Limit("a literal"));
                }
                self.state = if announced > 0 { State::Inline(announced) } else { State::Text };
                Ok(Step::More)
            }
            // The parser would read on into the next response.
            (State::Text, Kind::Fetch | Kind::Data) if self.level > 0 => {
                Err(GuardError::Violation("unbalanced parentheses"))
            }
            (State::Text, _) | (_, Kind::Line) if self.text.ends_with(b"\r\n") => Ok(Step::Complete(self.finish(kind))),
            (State::Text, _) | (_, Kind::Line) => Err(GuardError::Violation("a line feed alone")),
            (State::Quoted | State::Escape, _) => Err(GuardError::Violation("a line end inside quotes")),
            _ => Err(GuardError::Violation("a malformed literal")),
        }
    }

    /// Puts a mark in the place of a literal.
    fn lift(&mut self, announced: u64) -> Result<Step, GuardError> {
        if self.literals == LITERALS_LIMIT {
            return Err(GuardError::Limit("literals in a response"));
        }
        self.text.truncate(self.brace);
        self.text.extend_from_slice(b"{2}\r\n\0");
        self.text.push(self.literals);
        self.literals += 1;
        self.state = State::Text;
        Ok(Step::Literal(announced))
    }

    fn finish(&mut self, kind: Kind) -> Vec<u8> {
        let mut text = std::mem::take(self).text;
        // The parser looks for literals in some response codes too, and would wait for this one.
        if kind == Kind::Line
            && let [.., brace @ b'}', _, _] = text.as_mut_slice()
        {
            *brace = b')';
        }
        text
    }

    /// Decided at the first byte where it matters, which is behind the keyword in every response
    /// that is worth reading.
    fn kind(&mut self) -> Kind {
        if let Some(kind) = self.kind {
            return kind;
        }
        match (self.text.get(..2), self.text.last()) {
            (Some(b"* "), Some(b'"' | b'{' | b'(' | b'\r' | b'\n')) => {
                let kind = kind_of(self.text.get(2..).unwrap_or_default());
                self.kind = Some(kind);
                kind
            }
            (Some(b"* "), _) => Kind::Data,
            (None, _) if self.text.first() == Some(&b'*') => Kind::Data,
            _ => {
                self.kind = Some(Kind::Line);
                Kind::Line
            }
        }
    }
}

/// Of an untagged response, without its star.
fn kind_of(text: &[u8]) -> Kind {
    let mut words = text.split(|byte| !byte.is_ascii_alphanumeric());
    let first = words.next().unwrap_or_default();
    if !first.is_empty() && first.iter().all(u8::is_ascii_digit) {
        return if words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"FETCH")) {
            Kind::Fetch
        } else {
            Kind::Data
        };
    }
    let status = [&b"OK"[..], b"NO", b"BAD", b"BYE", b"PREAUTH"];
    if status.iter().any(|word| first.eq_ignore_ascii_case(word)) { Kind::Line } else { Kind::Data }
}
