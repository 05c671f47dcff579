//! Holds lines of JSON against docs/events.schema.json and docs/ecs.schema.json.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

use std::sync::OnceLock;

use jsonschema::{Registry, Validator};
use serde_json::Value;

// Guests have no files of the repository.
pub const EVENTS: &str = include_str!("../../docs/events.schema.json");
pub const ECS: &str = include_str!("../../docs/ecs.schema.json");

/// Panics at a line that the schema of its format does not allow.
#[track_caller]
pub fn assert_allowed(line: &Value) {
    let is_ecs = line.get("@timestamp").is_some();
    if let Some(error) = if is_ecs { ecs() } else { events() }.iter_errors(line).next() {
        panic!("at {}: {error}\nin {line}", error.instance_path());
    }
}

/// The schema of `-o json`.
pub fn events() -> &'static Validator {
    static EVENTS_ONCE: OnceLock<Validator> = OnceLock::new();
    EVENTS_ONCE.get_or_init(|| validator(EVENTS))
}

/// The schema of `-o ecs`.
pub fn ecs() -> &'static Validator {
    static ECS_ONCE: OnceLock<Validator> = OnceLock::new();
    ECS_ONCE.get_or_init(|| validator(ECS))
}

fn validator(schema: &str) -> Validator {
    let parse = |text| serde_json::from_str::<Value>(text).expect("JSON");
    let schema = parse(schema);
    assert!(jsonschema::meta::is_valid(&schema), "it is itself by the schema of schemas");
    // The one names parts of the other as a file beside it.
    let registry = Registry::new().add("schema:/events.schema.json", parse(EVENTS));
    let registry = registry.and_then(|registry| registry.prepare()).expect("references");
    jsonschema::options()
        .should_validate_formats(true)
        .with_base_uri("schema:/this")
        .with_registry(&registry)
        .build(&schema)
        .expect("a schema")
}
