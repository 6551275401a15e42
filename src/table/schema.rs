//! The columns of a table: their names, their types and how they are stored.

use std::borrow::Cow;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::errors::Result as ParquetResult;
use parquet::schema::types::{ColumnPath, Type, TypePtr};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// 32-bit integers.
    Int32,
    /// 64-bit integers.
    Int64,
    /// f32.
    Float32,
    /// f64.
    Float64,
    /// Yes or no.
    Bool,
    /// UTF-8.
    Text,
    /// A list of f32 in every row.
    Float32List,
}

/// How the values of a column are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Each value once, and its number in every row.
    Dictionary,
    /// One after another. For numbers of which no two are alike, whose dictionary would be thrown away.
    Plain,
    /// The differences from row to row. For integers that hardly change, which are as short as with a dictionary and
    /// quicker to write.
    Delta,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: Cow<'static, str>,
    /// What it holds.
    pub column_type: ColumnType,
    /// Whether a row may have no value.
    pub is_nullable: bool,
    /// How it is stored.
    pub encoding: Encoding,
}

impl Field {
    /// A column with a value in every row, stored with a dictionary.
    pub fn new(name: impl Into<Cow<'static, str>>, column_type: ColumnType) -> Self {
        Self { name: name.into(), column_type, is_nullable: false, encoding: Encoding::Dictionary }
    }

    /// The same column where rows may have no value.
    pub fn nullable(self) -> Self {
        Self { is_nullable: true, ..self }
    }

    /// The same column, stored in this way.
    pub fn stored(self, encoding: Encoding) -> Self {
        Self { encoding, ..self }
    }

    /// Where its values stand in the file's tree of columns.
    pub(super) fn path(&self) -> ColumnPath {
        let name = self.name.to_string();
        match self.column_type {
            ColumnType::Float32List => ColumnPath::new(vec![name, "list".to_owned(), "element".to_owned()]),
            _ => ColumnPath::new(vec![name]),
        }
    }

    fn parquet(&self) -> ParquetResult<Type> {
        let physical = match self.column_type {
            ColumnType::Int32 => Physical::INT32,
            ColumnType::Int64 => Physical::INT64,
            ColumnType::Float32 => Physical::FLOAT,
            ColumnType::Float64 => Physical::DOUBLE,
            ColumnType::Bool => Physical::BOOLEAN,
            ColumnType::Text => Physical::BYTE_ARRAY,
            ColumnType::Float32List => return list_of_f32(&self.name),
        };
        let repetition = if self.is_nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let text = (self.column_type == ColumnType::Text).then_some(LogicalType::String);
        Type::primitive_type_builder(&self.name, physical)
            .with_repetition(repetition)
            .with_logical_type(text)
            .build()
    }
}

/// The columns of a table, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Each name once.
    pub fields: Vec<Field>,
}

impl Schema {
    /// A table of these columns.
    pub fn new(fields: impl IntoIterator<Item = Field>) -> Self {
        Self { fields: fields.into_iter().collect() }
    }

    pub(super) fn parquet(&self) -> ParquetResult<TypePtr> {
        let fields = self.fields.iter().map(|field| field.parquet().map(Arc::new));
        let fields = fields.collect::<ParquetResult<_>>()?;
        Ok(Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?))
    }
}

/// `required group NAME (LIST) { repeated group list { required float element } }`.
fn list_of_f32(name: &str) -> ParquetResult<Type> {
    let element = Type::primitive_type_builder("element", Physical::FLOAT)
        .with_repetition(Repetition::REQUIRED)
        .build()?;
    let list = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![Arc::new(element)])
        .build()?;
    Type::group_type_builder(name)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(list)])
        .build()
}
