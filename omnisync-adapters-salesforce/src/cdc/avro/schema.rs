use std::collections::{BTreeMap, BTreeSet};

use omnisync_core::json::{self, Json, JsonError, Pointer, Value};
use thiserror::Error;

/// Why a text is not the schema of a change event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The text is not JSON.
    #[error("the schema is not json")]
    Json(#[source] JsonError),
    /// The JSON is not an Avro schema.
    #[error("the schema at `{pointer}` is wrong: {problem}")]
    Shape {
        /// Where.
        pointer: Pointer,
        /// What is wrong there.
        problem: &'static str,
    },
    /// An Avro schema, but not one of a change event.
    #[error("the schema is not one of a change event: {0}")]
    NotAChangeEvent(&'static str),
}

/// A schema, with the names in it resolved.
#[derive(Debug)]
pub(crate) struct Schema {
    types: Vec<Type>,
    root: TypeId,
}

/// Place of a type in its [`Schema`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TypeId(usize);

#[derive(Debug)]
pub(crate) enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Vec<String>),
    List(TypeId),
    Map(TypeId),
    Union(Vec<TypeId>),
    /// The name is without its namespace.
    Record {
        name: String,
        fields: Vec<Field>,
    },
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) of: TypeId,
    /// Salesforce tells its own type of the field here.
    pub(crate) doc: Option<String>,
}

impl Schema {
    pub(crate) fn parse(text: &[u8], limits: &json::Limits) -> Result<Self, SchemaError> {
        let document = json::parse(text, limits).map_err(SchemaError::Json)?;
        let mut parser = Parser {
            types: Vec::new(),
            names: BTreeMap::new(),
        };
        let root = parser.schema(&document, &Pointer::root(), "")?;
        Ok(Self {
            types: parser.types,
            root,
        })
    }

    pub(crate) const fn root(&self) -> TypeId {
        self.root
    }

    pub(crate) fn get(&self, id: TypeId) -> &Type {
        // Ids are given out by the parser alone, for types that it holds.
        self.types.get(id.0).unwrap_or(&Type::Null)
    }
}

struct Parser {
    types: Vec<Type>,
    /// Named types by their full names.
    names: BTreeMap<String, TypeId>,
}

impl Parser {
    fn schema(
        &mut self,
        json: &Json<'_>,
        at: &Pointer,
        outer: &str,
    ) -> Result<TypeId, SchemaError> {
        match &json.value {
            Value::String(name) => self.named(name, at, outer),
            Value::Array(branches) => self.union(branches, at, outer),
            Value::Object(_) => self.object(json, at, outer),
            _ => Err(wrong(at, "a schema is a text, a list or an object")),
        }
    }

    fn add(&mut self, of: Type) -> TypeId {
        self.types.push(of);
        TypeId(self.types.len() - 1)
    }

    /// Reserves the place of a named type, so that it can be spoken of within itself.
    fn reserve(&mut self, name: String, at: &Pointer) -> Result<TypeId, SchemaError> {
        let id = self.add(Type::Null);
        match self.names.insert(name, id) {
            None => Ok(id),
            Some(_) => Err(wrong(at, "the name is defined twice")),
        }
    }

    fn define(&mut self, id: TypeId, of: Type) {
        if let Some(place) = self.types.get_mut(id.0) {
            *place = of;
        }
    }

    fn named(&mut self, name: &str, at: &Pointer, outer: &str) -> Result<TypeId, SchemaError> {
        if let Some(of) = primitive(name) {
            return Ok(self.add(of));
        }
        // A bare name belongs to the namespace around it; what was defined without any namespace
        // can be meant as well.
        let known = self.names.get(&full_name(name, outer));
        known
            .or_else(|| self.names.get(name))
            .copied()
            .ok_or_else(|| wrong(at, "the name is not defined before"))
    }

    fn union(
        &mut self,
        branches: &[Json<'_>],
        at: &Pointer,
        outer: &str,
    ) -> Result<TypeId, SchemaError> {
        if branches.is_empty() {
            return Err(wrong(at, "a union has no branch"));
        }
        let mut ids = Vec::with_capacity(branches.len());
        for (index, branch) in branches.iter().enumerate() {
            let place = at.index(index);
            if branch.as_array().is_some() {
                return Err(wrong(&place, "a union within a union"));
            }
            ids.push(self.schema(branch, &place, outer)?);
        }
        Ok(self.add(Type::Union(ids)))
    }

    fn object(
        &mut self,
        json: &Json<'_>,
        at: &Pointer,
        outer: &str,
    ) -> Result<TypeId, SchemaError> {
        let of = member(json, "type", at)?;
        let Some(name) = of.as_str() else {
            return self.schema(of, &at.child("type"), outer);
        };
        match name {
            "record" | "error" => self.record(json, at, outer),
            "enum" => {
                let (name, _) = naming(json, at, outer)?;
                let symbols = symbols(json, at)?;
                let id = self.reserve(name, at)?;
                self.define(id, Type::Enum(symbols));
                Ok(id)
            }
            "fixed" => {
                let (name, _) = naming(json, at, outer)?;
                let size = member(json, "size", at)?.as_number();
                let size = size.and_then(|size| size.parse().ok());
                let size = size.ok_or_else(|| wrong(at, "`size` is not a number of bytes"))?;
                let id = self.reserve(name, at)?;
                self.define(id, Type::Fixed(size));
                Ok(id)
            }
            "array" => {
                let items = self.schema(member(json, "items", at)?, &at.child("items"), outer)?;
                Ok(self.add(Type::List(items)))
            }
            "map" => {
                let values =
                    self.schema(member(json, "values", at)?, &at.child("values"), outer)?;
                Ok(self.add(Type::Map(values)))
            }
            name => self.named(name, at, outer),
        }
    }

    fn record(
        &mut self,
        json: &Json<'_>,
        at: &Pointer,
        outer: &str,
    ) -> Result<TypeId, SchemaError> {
        let (full, namespace) = naming(json, at, outer)?;
        let short = full.rsplit('.').next().unwrap_or(&full).to_owned();
        let id = self.reserve(full, at)?;
        let place = at.child("fields");
        let listed = member(json, "fields", at)?.as_array();
        let listed = listed.ok_or_else(|| wrong(&place, "`fields` is not a list"))?;

        let mut fields = Vec::with_capacity(listed.len());
        let mut names = BTreeSet::new();
        for (index, field) in listed.iter().enumerate() {
            let at = place.index(index);
            let name = text(field, "name", &at)?;
            if !names.insert(name) {
                return Err(wrong(&at, "the record has two fields of that name"));
            }
            let of = self.schema(member(field, "type", &at)?, &at.child("type"), &namespace)?;
            fields.push(Field {
                name: name.to_owned(),
                of,
                doc: field.get("doc").and_then(Json::as_str).map(str::to_owned),
            });
        }
        self.define(
            id,
            Type::Record {
                name: short,
                fields,
            },
        );
        Ok(id)
    }
}

fn primitive(name: &str) -> Option<Type> {
    Some(match name {
        "null" => Type::Null,
        "boolean" => Type::Boolean,
        "int" => Type::Int,
        "long" => Type::Long,
        "float" => Type::Float,
        "double" => Type::Double,
        "bytes" => Type::Bytes,
        "string" => Type::Text,
        _ => return None,
    })
}

/// The full name of a definition, and the namespace that holds within it.
fn naming(json: &Json<'_>, at: &Pointer, outer: &str) -> Result<(String, String), SchemaError> {
    let name = text(json, "name", at)?;
    let namespace = json.get("namespace").and_then(Json::as_str);
    let full = full_name(name, namespace.unwrap_or(outer));
    let within = full.rsplit_once('.').map_or("", |(namespace, _)| namespace);
    let within = within.to_owned();
    Ok((full, within))
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

fn symbols(json: &Json<'_>, at: &Pointer) -> Result<Vec<String>, SchemaError> {
    let place = at.child("symbols");
    let listed = member(json, "symbols", at)?.as_array();
    let listed = listed.ok_or_else(|| wrong(&place, "`symbols` is not a list"))?;
    let symbols: Option<Vec<String>> = listed
        .iter()
        .map(|symbol| symbol.as_str().map(str::to_owned))
        .collect();
    symbols.ok_or_else(|| wrong(&place, "a symbol is not a text"))
}

fn member<'j, 'a>(
    json: &'j Json<'a>,
    name: &'static str,
    at: &Pointer,
) -> Result<&'j Json<'a>, SchemaError> {
    let problem = match name {
        "type" => "`type` is missing",
        "fields" => "`fields` is missing",
        "symbols" => "`symbols` is missing",
        "items" => "`items` is missing",
        "values" => "`values` is missing",
        "size" => "`size` is missing",
        _ => "`name` is missing",
    };
    json.get(name).ok_or_else(|| wrong(at, problem))
}

fn text<'j>(json: &'j Json<'_>, name: &'static str, at: &Pointer) -> Result<&'j str, SchemaError> {
    let text = member(json, name, at)?.as_str();
    let text = text.filter(|text| !text.is_empty());
    text.ok_or_else(|| wrong(&at.child(name), "a name is a text"))
}

fn wrong(at: &Pointer, problem: &'static str) -> SchemaError {
    SchemaError::Shape {
        pointer: at.clone(),
        problem,
    }
}
