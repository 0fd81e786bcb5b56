//! Prepares operations: parsing, limits, validation and coercion of variables, for all transports.
//!
//! The steps in order: `parse` (with `describe`), `guard` (limits), `strict` (validation), `convert`, `cost`, and per
//! request `coerce` (variables). `cache` holds validated documents, `trusted` restricts documents to a list.

mod complexity;
mod convert;
mod descriptions;
mod document_cache;
mod input_path;
mod limits;
mod missing_values;
mod parse;
mod position;
pub mod prices;
mod selection_sets;
pub mod trusted_documents;
mod validate;
mod variables;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use apollo_compiler::Schema as Definitions;
use apollo_compiler::executable::VariableDefinition;
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{Node, name, ty};
use async_graphql::parser::types::{ExecutableDocument, OperationType};
use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::domain::viewer::Viewer;
use crate::graphql::{Operation, Schema, sdl};
use crate::http::AppState;
use crate::http::error::{DocumentError, RequestError};
use crate::http::graphql::request::{GraphqlRequest, PersistedQuery};
use crate::http::limits::Limits;
use crate::http::middleware::request_context::RequestContext;
use crate::http::validation::complexity::{Cost, Sizes};
use crate::http::validation::document_cache::DocumentCache;
use crate::http::validation::trusted_documents::TrustedDocuments;
use crate::http::validation::validate::VariableUses;
use crate::metrics::OTHER;
use crate::trace::SPANS;

/// SHA-256 of a document's text.
pub type Hash = [u8; 32];

/// The schema for validation, and the cache of validated documents.
pub struct Documents {
    /// The schema as clients read it.
    pub sdl: Bytes,
    schema: Valid<Definitions>,
    sizes: Sizes,
    cache: DocumentCache,
    trusted: Option<TrustedDocuments>,
    /// Names of trusted operations that metrics show.
    reported: BTreeSet<String>,
    checked: AtomicU64,
}

/// Maximum number of names of trusted operations that metrics show, the first in alphabetical order.
const REPORTED_NAMES: usize = 20;

/// A validated document.
pub struct ValidDocument {
    hash: Hash,
    /// The hash in hexadecimal.
    name: Arc<str>,
    document: Arc<ExecutableDocument>,
    operations: Vec<ValidOperation>,
    /// Estimated memory use in bytes.
    weight: u64,
}

struct ValidOperation {
    name: Option<String>,
    kind: OperationType,
    variables: Vec<Node<VariableDefinition>>,
    uses: VariableUses,
    cost: Cost,
    personal: bool,
}

/// Prepares the operation of a request: its document parsed, limited and validated (or known to
/// be), its variables checked. An error means that nothing was executed.
pub fn prepare_operation(
    app: &AppState,
    context: &RequestContext,
    viewer: &Viewer,
    mut request: GraphqlRequest,
    now: DateTime<Utc>,
) -> Result<Operation, RequestError> {
    let may_check = || {
        let checked = app.http.failures.check(context.client(), now);
        checked.map_err(|refusal| RequestError::limited("failures", refusal))
    };
    let variables = request.take_variables()?;
    let persisted = request
        .extensions
        .and_then(|extensions| extensions.persisted_query);
    let documents = &app.documents;
    let query = request.query.as_deref();
    let document = documents.document(query, persisted, viewer, &app.limits, may_check)?;
    // Forms and generated clients send an empty text for no name.
    let name = request.operation_name.filter(|name| !name.is_empty());
    let operation = document.operation(name.as_deref())?;

    let (schema, definitions) = (&documents.schema, &operation.variables);
    let suggests = !app.limits.no_introspection;
    let variables = variables::variables(schema, definitions, &operation.uses, suggests, variables)
        .map_err(|problems| RequestError::invalid_document("BAD_USER_INPUT", problems))?;
    let cost = operation.cost.with(&variables);
    if cost > app.limits.cost {
        let limit = app.limits.cost;
        let message = format!(
            "The operation costs {cost}; a request may cost {limit} at most: ask for fewer fields, shorter lists or fewer filters."
        );
        return Err(RequestError::limit_exceeded(
            "cost",
            "QUERY_TOO_COMPLEX",
            message,
        ));
    }
    let scans = operation.cost.price(&variables) > 0;
    let mut weight = document.weight;
    if operation.kind == OperationType::Subscription {
        let length = serde_json::to_string(&variables).map_or(0, |text| text.len() as u64);
        weight += document_cache::variables_weight(length);
    }
    Ok(Operation {
        weight,
        document: document.document.clone(),
        name: operation.name.clone(),
        variables,
        kind: operation.kind,
        cost,
        scans,
        hash: document.name.clone(),
        personal: operation.personal,
    })
}

impl Documents {
    /// Creates an instance for a schema, with a cache of at most `cache` bytes.
    ///
    /// # Errors
    /// Returns a message for operators if a trusted document is invalid.
    pub fn new(
        schema: &Schema,
        limits: &Limits,
        cache: u64,
        trusted: Option<TrustedDocuments>,
    ) -> Result<Self, String> {
        let sdl = sdl(schema);
        let schema = definitions(&sdl)?;
        let mut documents = Self {
            sdl: sdl.into(),
            sizes: Sizes::of(&schema),
            schema,
            cache: DocumentCache::new(cache),
            trusted,
            reported: BTreeSet::new(),
            checked: AtomicU64::new(0),
        };
        let mut names = BTreeSet::new();
        for (hash, text) in documents
            .trusted
            .iter()
            .flat_map(TrustedDocuments::documents)
        {
            let checked = documents.check(*hash, text, limits);
            let checked = checked.map_err(|refused| {
                let problem = refused
                    .errors
                    .into_iter()
                    .next()
                    .map(|problem| problem.message);
                let hash = hex(hash);
                format!("the document {hash}: {}", problem.unwrap_or_default())
            })?;
            let operations = checked.operations.into_iter();
            names.extend(operations.filter_map(|operation| operation.name));
        }
        documents.reported = names.into_iter().take(REPORTED_NAMES).collect();
        Ok(documents)
    }

    /// Returns the name of an operation for metrics: `other`, unless its document is a trusted one.
    pub fn reported_name<'a>(&self, operation: &'a Operation) -> &'a str {
        let name = operation.operation_name();
        let name = name.filter(|name| self.reported.contains(*name));
        let hash = || parse_hex(&operation.hash);
        let is_trusted = || self.trusted.as_ref()?.text(&hash()?);
        match name {
            Some(name) if is_trusted().is_some() => name,
            _ => OTHER,
        }
    }

    /// Returns the number of documents in the cache, and about how many bytes they take.
    pub fn cache_size(&self) -> (usize, u64) {
        self.cache.size()
    }

    /// Returns the number of documents parsed and validated so far.
    pub fn validated(&self) -> u64 {
        self.checked.load(Ordering::Relaxed)
    }

    fn document(
        &self,
        text: Option<&str>,
        persisted: Option<PersistedQuery>,
        viewer: &Viewer,
        limits: &Limits,
        may_check: impl FnOnce() -> Result<(), RequestError>,
    ) -> Result<Arc<ValidDocument>, RequestError> {
        let hash = document_hash(text, persisted)?;
        if let Some(trusted) = &self.trusted
            && !trusted.allows(&hash, viewer)
        {
            let message = "This service runs the documents that it was given beforehand, and this is none of them.";
            return Err(RequestError::new(
                StatusCode::FORBIDDEN,
                "FORBIDDEN",
                message,
            ));
        }
        if let Some(known) = self.cache.get(&hash) {
            return Ok(known);
        }
        may_check()?;
        let text = text.or_else(|| self.trusted.as_ref()?.text(&hash));
        let Some(text) = text else {
            return Err(persisted_query_not_found());
        };
        let checked = Arc::new(self.check(hash, text, limits)?);
        self.cache.insert(checked.clone());
        Ok(checked)
    }

    fn check(
        &self,
        hash: Hash,
        text: &str,
        limits: &Limits,
    ) -> Result<ValidDocument, RequestError> {
        self.checked.fetch_add(1, Ordering::Relaxed);
        let _span = tracing::debug_span!(target: SPANS, "validate").entered();
        let (ast, tokens) = parse::parse(text, limits)?;
        limits::check_limits(&ast, limits)?;
        let invalid =
            |problems| RequestError::invalid_document("GRAPHQL_VALIDATION_FAILED", problems);
        let suggests = !limits.no_introspection;
        let (document, uses) = validate::validate(&self.schema, &ast, suggests).map_err(invalid)?;
        if limits.no_introspection
            && let Some(problem) = validate::introspection(&document)
        {
            return Err(invalid(vec![problem]).with_limit("introspection"));
        }
        let operations = document.operations.iter().zip(uses);
        let operations = operations.map(|(operation, uses)| ValidOperation {
            name: operation.name.as_ref().map(ToString::to_string),
            kind: convert::kind(operation.operation_type),
            variables: operation.variables.clone(),
            uses,
            cost: self.sizes.cost(&document, operation),
            personal: selection_sets::is_private(&document, operation),
        });
        Ok(ValidDocument {
            hash,
            name: hex(&hash).into(),
            operations: operations.collect(),
            document: Arc::new(convert::document(text, &document)),
            weight: document_cache::weight(text, tokens),
        })
    }
}

impl ValidDocument {
    fn operation(&self, name: Option<&str>) -> Result<&ValidOperation, RequestError> {
        let operations = self.operations.as_slice();
        let found = match (name, operations) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(_), all) => all
                .iter()
                .find(|operation| operation.name.as_deref() == name),
        };
        found.ok_or_else(|| {
            let names: Vec<String> = operations
                .iter()
                .filter_map(|operation| Some(format!("`{}`", operation.name.as_ref()?)))
                .collect();
            let names = names.join(", ");
            RequestError::bad_request(match name {
                None => format!("It is not clear which operation is meant: name one of {names} in `operationName`."),
                Some(name) if names.is_empty() => format!("The document has no operation `{name}`; its only one has no name: leave out `operationName`."),
                Some(name) => format!("The document has no operation `{name}`; it has {names}."),
            })
        })
    }
}

/// Returns the hash of the requested document.
fn document_hash(
    text: Option<&str>,
    persisted: Option<PersistedQuery>,
) -> Result<Hash, RequestError> {
    let hash = text.map(|text| Hash::from(Sha256::digest(text)));
    let Some(persisted) = persisted else {
        return hash.ok_or_else(|| {
            RequestError::bad_request("There is no `query`: send the GraphQL document in it.")
        });
    };
    // Some tools write the algorithm before the digits, as in the file of trusted documents.
    let digits = persisted.sha256_hash.strip_prefix("sha256:");
    let digits = digits.unwrap_or(&persisted.sha256_hash);
    let named = parse_hex(digits).filter(|_| persisted.version == 1);
    let Some(named) = named else {
        return Err(RequestError::bad_request(
            "`persistedQuery` must have the version 1 and a `sha256Hash` of 64 hexadecimal digits.",
        ));
    };
    if hash.is_some_and(|hash| hash != named) {
        return Err(RequestError::bad_request(
            "`sha256Hash` is not the SHA-256 of `query`.",
        ));
    }
    Ok(named)
}

/// Returns the error of automatic persisted queries, upon which clients send the whole document.
fn persisted_query_not_found() -> RequestError {
    let problem = DocumentError::new("PersistedQueryNotFound".to_owned(), None);
    let mut refused = RequestError::invalid_document("PERSISTED_QUERY_NOT_FOUND", [problem]);
    let never = HeaderValue::from_static("no-store");
    refused.headers.push((header::CACHE_CONTROL, never));
    refused
}

/// Parses the schema for validation.
fn definitions(sdl: &str) -> Result<Valid<Definitions>, String> {
    let mut schema =
        Definitions::parse(sdl, "schema.graphql").map_err(|invalid| invalid.errors.to_string())?;
    // apollo-compiler does not know this field yet, async-graphql does.
    if let Some(ExtendedType::Object(object)) = schema.types.get_mut("__Type") {
        let mut field = (*object.fields["specifiedByURL"].node).clone();
        field.name = name!("isOneOf");
        field.ty = ty!(Boolean);
        object
            .make_mut()
            .fields
            .insert(field.name.clone(), field.into());
    }
    schema
        .validate()
        .map_err(|invalid| invalid.errors.to_string())
}

fn hex(hash: &Hash) -> String {
    let mut text = String::with_capacity(64);
    for byte in hash {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn parse_hex(text: &str) -> Option<Hash> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut hash = [0; 32];
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(hash)
}
