//! Looks over what a Parquet file says of itself before its reader believes it.
//!
//! The reader asks for the memory that a footer or the header of a page announces, and follows a schema as deep as it
//! goes: a few bytes can announce gigabytes, or overflow the stack. So both are walked over first. They are structs of
//! Thrift's compact protocol, and only the fields that a table of ours has are let through, each as its own type: then the
//! reader sees in the bytes what was seen here.

/// What a value is. Lists and structs name what is in them.
enum Shape {
    Bool,
    /// An integer of this type code, as all are stored alike.
    Integer(u8),
    Binary,
    List(&'static Shape),
    Struct(&'static [(i16, Shape)]),
}

const BOOL_TRUE: u8 = 1;
const BOOL_FALSE: u8 = 2;
const I16: Shape = Shape::Integer(4);
const I32: Shape = Shape::Integer(5);
const I64: Shape = Shape::Integer(6);
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

const EMPTY: Shape = Shape::Struct(&[]);
const STATISTICS: Shape = Shape::Struct(&[
    (1, Shape::Binary),
    (2, Shape::Binary),
    (3, I64),
    (4, I64),
    (5, Shape::Binary),
    (6, Shape::Binary),
    (7, Shape::Bool),
    (8, Shape::Bool),
    (9, I64),
]);
const KEY_VALUE: Shape = Shape::Struct(&[(1, Shape::Binary), (2, Shape::Binary)]);

/// Of the integer types as well: the width as a byte, and whether it has a sign.
const LOGICAL_TYPE: Shape = Shape::Struct(&[
    (1, EMPTY),
    (3, EMPTY),
    (10, Shape::Struct(&[(1, Shape::Integer(3)), (2, Shape::Bool)])),
]);
const N_CHILDREN: usize = 5;
const SCHEMA_ELEMENT: &[(i16, Shape)] = &[
    (1, I32),
    (2, I32),
    (3, I32),
    (4, Shape::Binary),
    (N_CHILDREN as i16, I32),
    (6, I32),
    (7, I32),
    (8, I32),
    (9, I32),
    (10, LOGICAL_TYPE),
];
const PAGE_ENCODING: Shape = Shape::Struct(&[(1, I32), (2, I32), (3, I32)]);
const SIZES: Shape = Shape::Struct(&[(1, I64), (2, Shape::List(&I64)), (3, Shape::List(&I64))]);
const COLUMN: Shape = Shape::Struct(&[
    (1, I32),
    (2, Shape::List(&I32)),
    (3, Shape::List(&Shape::Binary)),
    (4, I32),
    (5, I64),
    (6, I64),
    (7, I64),
    (8, Shape::List(&KEY_VALUE)),
    (9, I64),
    (10, I64),
    (11, I64),
    (12, STATISTICS),
    (13, Shape::List(&PAGE_ENCODING)),
    (14, I64),
    (15, I32),
    (16, SIZES),
]);
const COLUMN_CHUNK: Shape =
    Shape::Struct(&[(1, Shape::Binary), (2, I64), (3, COLUMN), (4, I64), (5, I32), (6, I64), (7, I32)]);
const SORTING: Shape = Shape::Struct(&[(1, I32), (2, Shape::Bool), (3, Shape::Bool)]);
const ROW_GROUP: Shape = Shape::Struct(&[
    (1, Shape::List(&COLUMN_CHUNK)),
    (2, I64),
    (3, I64),
    (4, Shape::List(&SORTING)),
    (5, I64),
    (6, I64),
    (7, I16),
]);
const COLUMN_ORDER: Shape = Shape::Struct(&[(1, EMPTY), (2, EMPTY)]);
const SCHEMA: i16 = 2;
const FOOTER: &[(i16, Shape)] = &[
    (1, I32),
    (SCHEMA, Shape::List(&Shape::Struct(SCHEMA_ELEMENT))),
    (3, I64),
    (4, Shape::List(&ROW_GROUP)),
    (5, Shape::List(&KEY_VALUE)),
    (6, Shape::Binary),
    (7, Shape::List(&COLUMN_ORDER)),
];

const DATA: &[(i16, Shape)] = &[(1, I32), (2, I32), (3, I32), (4, I32), (5, STATISTICS)];
const DICTIONARY: &[(i16, Shape)] = &[(1, I32), (2, I32), (3, Shape::Bool)];
const DATA_V2: &[(i16, Shape)] =
    &[(1, I32), (2, I32), (3, I32), (4, I32), (5, I32), (6, I32), (7, Shape::Bool), (8, STATISTICS)];
const PAGE_HEADER: &[(i16, Shape)] = &[
    (1, I32),
    (2, I32),
    (3, I32),
    (4, I32),
    (5, Shape::Struct(DATA)),
    (7, Shape::Struct(DICTIONARY)),
    (8, Shape::Struct(DATA_V2)),
];

/// Entries of a list, at most: columns and row groups are some thousands.
const MAX_LIST: u64 = 1 << 16;

/// Groups within groups of columns, at most: a list of ours is three deep.
const MAX_DEPTH: usize = 8;

/// More than the largest number of a field whose value is asked for.
const N_FIELDS: usize = 11;

/// Whether a footer is one that a table of ours may have.
pub(super) fn is_footer(bytes: &[u8]) -> bool {
    let mut walk = Walk { bytes };
    let walked = walk.fields(FOOTER, |walk, id, shape| match id {
        SCHEMA => walk.schema(),
        _ => walk.value(shape).map(drop),
    });
    walked.is_some()
}

/// What the header of a page announces.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// Bytes of the header.
    pub(super) n_bytes: usize,
    /// Bytes of the page as it lies there.
    pub(super) n_packed: i64,
    /// Bytes that it takes when it is unpacked.
    pub(super) n_unpacked: i64,
    /// Values of a dictionary.
    pub(super) n_entries: Option<i64>,
    /// How the values are stored, by Parquet's number.
    pub(super) encoding: i64,
}

impl PageHeader {
    /// The header that these bytes begin with; `None` where they begin with no header that a table of ours may have.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let mut header = Self::default();
        let mut walk = Walk { bytes };
        // Zeros are a header without fields.
        let (mut has_sizes, mut has_values) = ([false; 2], false);
        walk.fields(PAGE_HEADER, |walk, id, shape| {
            match id {
                2 | 3 => has_sizes[id as usize - 2] = true,
                5 | 7 | 8 => has_values = true,
                _ => {}
            }
            match (id, shape) {
                (2, _) => header.n_unpacked = walk.value(shape)?,
                (3, _) => header.n_packed = walk.value(shape)?,
                (5, Shape::Struct(known)) => header.encoding = walk.numbers(known)?[2],
                (7, Shape::Struct(known)) => {
                    let numbers = walk.numbers(known)?;
                    (header.n_entries, header.encoding) = (Some(numbers[1]), numbers[2]);
                }
                (8, Shape::Struct(known)) => header.encoding = walk.numbers(known)?[4],
                _ => _ = walk.value(shape)?,
            }
            Some(())
        })?;
        let is_whole = has_sizes == [true; 2] && has_values;
        is_whole.then_some(Self { n_bytes: bytes.len() - walk.bytes.len(), ..header })
    }
}

/// Bytes that are walked over; every step is `None` where they are not what was expected.
struct Walk<'a> {
    bytes: &'a [u8],
}

impl<'a> Walk<'a> {
    /// A struct: hands each field on, which is then walked over.
    fn fields(
        &mut self,
        known: &'static [(i16, Shape)],
        mut field: impl FnMut(&mut Self, i16, &'static Shape) -> Option<()>,
    ) -> Option<()> {
        let mut last = 0i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            // The reader takes any of a set of fields for one that it knows: in rising order, each stands once.
            let id = last.checked_add(i16::from(head >> 4)).filter(|&id| id > last)?;
            let (_, shape) = known.iter().find(|(known, _)| *known == id)?;
            if !shape.is(head & 0x0f) {
                return None;
            }
            // The type of a field that is yes or no is its value, and nothing follows.
            if !matches!(shape, Shape::Bool) {
                field(self, id, shape)?;
            }
            last = id;
        }
    }

    /// The number that stands here, 0 for what is none.
    fn value(&mut self, shape: &'static Shape) -> Option<i64> {
        match shape {
            Shape::Integer(3) => self.byte().map(i64::from),
            Shape::Integer(_) => self.varint().map(|bits| (bits >> 1) as i64 ^ -((bits & 1) as i64)),
            Shape::Binary => {
                let n = usize::try_from(self.varint()?).ok()?;
                self.bytes = self.bytes.get(n..)?;
                Some(0)
            }
            Shape::List(of) => {
                (0..self.list(of)?).try_for_each(|_| self.value(of).map(drop))?;
                Some(0)
            }
            Shape::Struct(known) => {
                self.fields(known, |walk, _, shape| walk.value(shape).map(drop))?;
                Some(0)
            }
            // Lists of these are in no footer.
            Shape::Bool => None,
        }
    }

    /// A struct's numbers by their fields, 0 for what is none.
    fn numbers(&mut self, known: &'static [(i16, Shape)]) -> Option<[i64; N_FIELDS]> {
        let mut numbers = [0; N_FIELDS];
        self.fields(known, |walk, id, shape| {
            *numbers.get_mut(id as usize)? = walk.value(shape)?;
            Some(())
        })?;
        Some(numbers)
    }

    /// The tree of columns: each element says how many of those that follow are its children.
    fn schema(&mut self) -> Option<()> {
        let n = self.list(&Shape::Struct(SCHEMA_ELEMENT))?;
        let mut open: Vec<u64> = vec![];
        for _ in 0..n {
            let n_children = u64::try_from(self.numbers(SCHEMA_ELEMENT)?[N_CHILDREN]).ok()?;
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            if n_children > 0 {
                open.push(n_children);
            }
            while open.last() == Some(&0) {
                open.pop();
            }
            if n_children >= n || open.len() > MAX_DEPTH {
                return None;
            }
        }
        Some(())
    }

    /// The length of a list of such values.
    fn list(&mut self, of: &Shape) -> Option<u64> {
        let head = self.byte()?;
        // An empty list may name no type.
        if head == 0 {
            return Some(0);
        }
        let n = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        (n <= MAX_LIST && of.is(head & 0x0f)).then_some(n)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut bits = 0u64;
        // Ten bytes hold every number: the reader shifts what comes after them around.
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            bits |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(bits);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(byte)
    }
}

impl Shape {
    /// Whether a value of this type code is such a one.
    fn is(&self, code: u8) -> bool {
        match self {
            Self::Bool => code == BOOL_TRUE || code == BOOL_FALSE,
            Self::Integer(integer) => code == *integer,
            Self::Binary => code == BINARY,
            Self::List(_) => code == LIST,
            Self::Struct(_) => code == STRUCT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer of version 1 with these elements as its schema, and nothing else.
    fn footer(elements: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0x15, 2, 0x19, 0xfc];
        bytes.extend(varint(elements.len() as u64));
        bytes.extend(elements.concat());
        bytes.push(0);
        bytes
    }

    /// A column of the name `a`, or a group of so many.
    fn element(n_children: u64) -> Vec<u8> {
        let mut bytes = vec![0x48, 1, b'a'];
        if n_children > 0 {
            bytes.push(0x15);
            bytes.extend(varint(2 * n_children));
        }
        bytes.push(0);
        bytes
    }

    fn varint(mut n: u64) -> Vec<u8> {
        let mut bytes = vec![];
        while n >= 0x80 {
            bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        bytes.push(n as u8);
        bytes
    }

    #[test]
    fn schemas_are_as_wide_as_they_say_and_not_deep() {
        assert!(is_footer(&footer(&[element(2), element(0), element(0)])));
        // More children than there are elements, up to what a number can say.
        for n in [3, 1 << 20, 1 << 31, u64::MAX >> 1] {
            assert!(!is_footer(&footer(&[element(n), element(0), element(0)])), "{n}");
        }
        let nested = |depth: usize| footer(&[vec![element(1); depth], vec![element(0)]].concat());
        assert!(is_footer(&nested(MAX_DEPTH)));
        assert!(!is_footer(&nested(MAX_DEPTH + 1)) && !is_footer(&nested(60_000)));
        // Wide is not deep.
        let group = [element(1), element(0)].concat();
        let wide = [vec![0x15, 2, 0x19, 0xfc, 101], element(50), group.repeat(50), vec![0]].concat();
        assert!(is_footer(&wide));
    }

    #[test]
    fn lists_texts_and_numbers_that_are_too_long_are_refused() {
        // A list of so many empty row groups, as the next field.
        let groups = |n: u64| {
            let mut bytes = footer(&[element(0)]);
            bytes.pop();
            [bytes, vec![0x29, 0xfc], varint(n), vec![0; n as usize + 1]].concat()
        };
        assert!(is_footer(&groups(20)) && is_footer(&groups(MAX_LIST)) && !is_footer(&groups(MAX_LIST + 1)));
        // A name of 2⁴⁰ bytes.
        let mut long = footer(&[element(0)]);
        long.splice(6..7, varint(1 << 40));
        assert!(!is_footer(&long));
        // The version in eleven bytes.
        let mut endless = footer(&[element(0)]);
        endless.splice(1..2, [[0x80; 10].to_vec(), vec![0]].concat());
        assert!(!is_footer(&endless));
    }

    #[test]
    fn fields_are_known_in_order_and_of_their_type() {
        let whole = footer(&[element(0)]);
        assert!(is_footer(&whole));
        for (at, byte, what) in [
            (0, 0x16, "a version of 64 bits"),
            (0, 0x85, "no field 8 of a number"),
            (2, 0x1a, "a set for a list"),
            (3, 0xf8, "texts for structs"),
            (5, 0x58, "a text for the number of children"),
        ] {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            assert!(!is_footer(&bytes), "{what}");
        }
        // The same field again: a full number of a field stands behind a zero.
        assert!(!is_footer(&[&[0x15, 2, 0x05, 2, 2][..], &whole[2..]].concat()));
        assert!((0..whole.len()).all(|n| !is_footer(&whole[..n])), "cut");
    }

    #[test]
    fn the_header_of_a_page_says_its_sizes() {
        // A dictionary of 3 entries in plain encoding, 7 bytes, unpacked 2³⁰, and what comes behind it.
        let numbers = [vec![0x15, 4, 0x15], varint(2 << 30), vec![0x15, 14]].concat();
        let dictionary = [&numbers[..], &[0x4c, 0x15, 6, 0x15, 0, 0x12, 0, 0], b"page"].concat();
        let expected = PageHeader {
            n_bytes: dictionary.len() - 4,
            n_packed: 7,
            n_unpacked: 1 << 30,
            n_entries: Some(3),
            encoding: 0,
        };
        assert_eq!(PageHeader::of(&dictionary), Some(expected));
        // Data, dictionary encoded.
        let data = [&numbers[..], &[0x2c, 0x15, 6, 0x15, 16, 0x15, 6, 0x15, 6, 0, 0]].concat();
        let header = PageHeader::of(&data).unwrap();
        assert_eq!((header.n_entries, header.encoding), (None, 8));
        assert!((0..data.len()).all(|n| PageHeader::of(&data[..n]).is_none()), "cut");
    }
}
