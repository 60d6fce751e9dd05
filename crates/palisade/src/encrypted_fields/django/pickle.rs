//! The few types of a pickle that fields of Django hold
//! ([opcodes](https://github.com/python/cpython/blob/main/Lib/pickletools.py)). A pickle is a
//! program: everything else that it asks for is refused, and no function is ever called.

use super::classes::{Class, class, make, uuid};
use super::python::PythonValue;

/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// An item on the stack of the pickle machine.
#[derive(Clone)]
enum Item {
    Value(PythonValue),
    Tuple(Vec<Item>),
    /// A class, by its name.
    Class(Class),
    /// `UUID.__new__`, before its state.
    NewUuid,
    Mark,
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Item>,
    memo: Vec<Option<Item>>,
}

/// The value of a pickle of the protocols 0 to 5; `None` for anything else.
pub(super) fn read(pickle: &[u8]) -> Option<PythonValue> {
    let mut machine = Machine {
        rest: pickle,
        stack: Vec::new(),
        memo: Vec::new(),
    };
    loop {
        let code = machine.byte()?;
        if code == b'.' {
            return machine.value();
        }
        machine.run(code)?;
    }
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    /// A length of so many bytes, little-endian.
    fn length(&mut self, bytes: usize) -> Option<usize> {
        let mut wide = [0; 8];
        wide[..bytes].copy_from_slice(self.take(bytes)?);
        usize::try_from(u64::from_le_bytes(wide)).ok()
    }

    fn line(&mut self) -> Option<&'a str> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let line = self.take(end + 1)?;
        std::str::from_utf8(&line[..end]).ok()
    }

    fn push(&mut self, value: PythonValue) -> Option<()> {
        self.stack.push(Item::Value(value));
        Some(())
    }

    fn text(&mut self, bytes: usize) -> Option<()> {
        let length = self.length(bytes)?;
        let text = std::str::from_utf8(self.take(length)?).ok()?;
        self.push(PythonValue::Text(text.to_owned()))
    }

    fn bytes(&mut self, bytes: usize) -> Option<()> {
        let length = self.length(bytes)?;
        let bytes = self.take(length)?.to_vec();
        self.push(PythonValue::Bytes(bytes))
    }

    /// A signed number, little-endian.
    fn long(&mut self, bytes: usize) -> Option<()> {
        let length = self.length(bytes)?;
        let digits = self.take(length)?;
        let fill = if digits.last()? & 0x80 == 0 { 0 } else { 0xff };
        let mut wide = [fill; 16];
        wide.get_mut(..length)?.copy_from_slice(digits);
        self.push(PythonValue::Int(i128::from_le_bytes(wide)))
    }

    fn run(&mut self, code: u8) -> Option<()> {
        match code {
            0x80 => (self.byte()? <= 5).then_some(()),
            0x95 => self.take(8).map(drop),
            b'N' => self.push(PythonValue::None),
            0x88 => self.push(PythonValue::Bool(true)),
            0x89 => self.push(PythonValue::Bool(false)),
            b'K' => {
                let number = self.byte()?;
                self.push(PythonValue::Int(number.into()))
            }
            b'M' => {
                let number = u16::from_le_bytes(self.take(2)?.try_into().ok()?);
                self.push(PythonValue::Int(number.into()))
            }
            b'J' => {
                let number = i32::from_le_bytes(self.take(4)?.try_into().ok()?);
                self.push(PythonValue::Int(number.into()))
            }
            0x8a => self.long(1),
            0x8b => self.long(4),
            b'G' => {
                let number = f64::from_be_bytes(self.take(8)?.try_into().ok()?);
                self.push(PythonValue::Float(number))
            }
            b'X' => self.text(4),
            0x8c => self.text(1),
            0x8d => self.text(8),
            b'B' => self.bytes(4),
            b'C' => self.bytes(1),
            0x8e => self.bytes(8),
            b'I' | b'L' | b'F' | b'V' => self.run_line(code),
            _ => self.run_structure(code),
        }
    }

    /// Values of protocol 0, each a line.
    fn run_line(&mut self, code: u8) -> Option<()> {
        let line = self.line_of(code)?;
        let value = match (code, line.as_str()) {
            (b'I', "00") => PythonValue::Bool(false),
            (b'I', "01") => PythonValue::Bool(true),
            (b'I', number) => PythonValue::Int(number.parse().ok()?),
            (b'L', number) => PythonValue::Int(number.trim_end_matches('L').parse().ok()?),
            (b'F', number) => PythonValue::Float(number.parse().ok()?),
            (_, text) => PythonValue::Text(text.to_owned()),
        };
        self.push(value)
    }

    /// A line; that of a text is Latin-1 with `\u` escapes.
    fn line_of(&mut self, code: u8) -> Option<String> {
        if code != b'V' {
            return self.line().map(str::to_owned);
        }
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let line = &self.take(end + 1)?[..end];
        let mut text = String::new();
        let mut characters = line.iter().map(|byte| char::from(*byte)).peekable();
        while let Some(character) = characters.next() {
            let digits = match (character, characters.peek()) {
                ('\\', Some('u')) => 4,
                ('\\', Some('U')) => 8,
                _ => {
                    text.push(character);
                    continue;
                }
            };
            let code: String = characters.by_ref().skip(1).take(digits).collect();
            text.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
        }
        Some(text)
    }

    fn run_structure(&mut self, code: u8) -> Option<()> {
        match code {
            b'(' => self.stack.push(Item::Mark),
            b']' => self.push(PythonValue::List(Vec::new()))?,
            b'}' => self.push(PythonValue::Dict(Vec::new()))?,
            b')' => self.stack.push(Item::Tuple(Vec::new())),
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let start = self.stack.len().checked_sub(count)?;
                let items = self.stack.split_off(start);
                self.tuple(items)?;
            }
            b't' => {
                let items = self.marked()?;
                self.tuple(items)?;
            }
            b'l' => {
                let items = self.marked()?;
                let values = values_of(items)?;
                self.push(PythonValue::List(values))?;
            }
            b'd' => {
                let items = self.marked()?;
                self.push(PythonValue::Dict(pairs_of(items)?))?;
            }
            b'a' => {
                let item = self.stack.pop()?;
                self.extend_list(vec![item])?;
            }
            b'e' => {
                let items = self.marked()?;
                self.extend_list(items)?;
            }
            b's' => {
                let start = self.stack.len().checked_sub(2)?;
                let items = self.stack.split_off(start);
                self.extend_dict(items)?;
            }
            b'u' => {
                let items = self.marked()?;
                self.extend_dict(items)?;
            }
            _ => return self.run_memo(code),
        }
        Some(())
    }

    fn run_memo(&mut self, code: u8) -> Option<()> {
        match code {
            0x94 => self.memoize(self.memo.len()),
            b'q' | b'r' => {
                let index = self.length(if code == b'q' { 1 } else { 4 })?;
                self.memoize(index)
            }
            b'p' => {
                let index = self.line()?.parse().ok()?;
                self.memoize(index)
            }
            b'h' | b'j' => {
                let index = self.length(if code == b'h' { 1 } else { 4 })?;
                self.recall(index)
            }
            b'g' => {
                let index = self.line()?.parse().ok()?;
                self.recall(index)
            }
            _ => self.run_class(code),
        }
    }

    /// Lists and dictionaries are remembered without their items: recalling one is refused.
    fn memoize(&mut self, index: usize) -> Option<()> {
        // Python numbers them in order
        if index > self.memo.len() {
            return None;
        }
        let item = match self.stack.last()? {
            Item::Value(PythonValue::List(_) | PythonValue::Dict(_)) | Item::Mark => None,
            item => Some(item.clone()),
        };
        match self.memo.get_mut(index) {
            Some(known) => *known = item,
            None => self.memo.push(item),
        }
        Some(())
    }

    fn recall(&mut self, index: usize) -> Option<()> {
        let item = self.memo.get(index)?.clone()?;
        self.stack.push(item);
        Some(())
    }

    fn run_class(&mut self, code: u8) -> Option<()> {
        match code {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.stack.push(Item::Class(class(module, name)?));
            }
            0x93 => {
                let (name, module) = (self.pop_text()?, self.pop_text()?);
                self.stack.push(Item::Class(class(&module, &name)?));
            }
            b'R' => {
                let (arguments, class) = (self.pop_tuple()?, self.pop_class()?);
                let made = make(class, values_of(arguments)?)?;
                self.push(made)?;
            }
            0x81 => {
                let (arguments, class) = (self.pop_tuple()?, self.pop_class()?);
                (class == Class::Uuid && arguments.is_empty()).then_some(())?;
                self.stack.push(Item::NewUuid);
            }
            b'b' => {
                let state = self.value()?;
                matches!(self.stack.pop()?, Item::NewUuid).then_some(())?;
                self.push(uuid(state)?)?;
            }
            _ => return None,
        }
        Some(())
    }

    fn value(&mut self) -> Option<PythonValue> {
        match self.stack.pop()? {
            Item::Value(value) => Some(value),
            _ => None,
        }
    }

    fn pop_text(&mut self) -> Option<String> {
        match self.value()? {
            PythonValue::Text(text) => Some(text),
            _ => None,
        }
    }

    fn pop_tuple(&mut self) -> Option<Vec<Item>> {
        match self.stack.pop()? {
            Item::Tuple(items) => Some(items),
            _ => None,
        }
    }

    fn pop_class(&mut self) -> Option<Class> {
        match self.stack.pop()? {
            Item::Class(class) => Some(class),
            _ => None,
        }
    }

    /// The items above the last mark.
    fn marked(&mut self) -> Option<Vec<Item>> {
        let mark = self
            .stack
            .iter()
            .rposition(|item| matches!(item, Item::Mark))?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Some(items)
    }

    /// Arguments of a class: at most eight values.
    fn tuple(&mut self, items: Vec<Item>) -> Option<()> {
        let is_argument =
            |item: &Item| !matches!(item, Item::Mark | Item::NewUuid | Item::Tuple(_));
        (items.len() <= 8 && items.iter().all(is_argument)).then_some(())?;
        self.stack.push(Item::Tuple(items));
        Some(())
    }

    fn extend_list(&mut self, items: Vec<Item>) -> Option<()> {
        let more = values_of(items)?;
        match self.stack.last_mut()? {
            Item::Value(PythonValue::List(values)) => values.extend(more),
            _ => return None,
        }
        self.check_depth()
    }

    fn extend_dict(&mut self, items: Vec<Item>) -> Option<()> {
        let more = pairs_of(items)?;
        match self.stack.last_mut()? {
            Item::Value(PythonValue::Dict(pairs)) => pairs.extend(more),
            _ => return None,
        }
        self.check_depth()
    }

    fn check_depth(&self) -> Option<()> {
        match self.stack.last()? {
            Item::Value(value) if value.is_deeper_than(MAX_DEPTH) => None,
            _ => Some(()),
        }
    }
}

fn values_of(items: Vec<Item>) -> Option<Vec<PythonValue>> {
    let value = |item| match item {
        Item::Value(value) => Some(value),
        _ => None,
    };
    items.into_iter().map(value).collect()
}

fn pairs_of(items: Vec<Item>) -> Option<Vec<(String, PythonValue)>> {
    let mut values = values_of(items)?.into_iter();
    let mut pairs = Vec::new();
    while let Some(key) = values.next() {
        let PythonValue::Text(key) = key else {
            return None;
        };
        pairs.push((key, values.next()?));
    }
    Some(pairs)
}
