//! The directive `@inContext`, which sets the preferred languages of an operation.

use async_graphql::InputType;
use async_graphql::indexmap::IndexMap;
use async_graphql::registry::{
    __DirectiveLocation as Location, Deprecation, MetaDirective, MetaInputValue, Registry,
};
use entity::party::Language;

pub const NAME: &str = "inContext";
/// The argument with the languages.
pub const LANGUAGES: &str = "languages";

/// Registers the directive.
pub fn register(registry: &mut Registry) {
    let languages = MetaInputValue {
        name: LANGUAGES.to_owned(),
        description: Some(
            "The languages that the viewer reads, in order of preference.".to_owned(),
        ),
        ty: <Option<Vec<Language>> as InputType>::create_type_info(registry),
        deprecation: Deprecation::NoDeprecated,
        default_value: None,
        visible: None,
        inaccessible: false,
        tags: Vec::new(),
        is_secret: false,
        directive_invocations: Vec::new(),
    };
    registry.add_directive(MetaDirective {
        name: NAME.to_owned(),
        description: Some(
            "The languages that the viewer reads, in order of preference, for a whole operation. Each text is returned in the first of these languages that it has been written in or translated into, otherwise in its original language. `text` filters and orders by title or name use the same texts. The argument `language` of a field takes precedence. Example: `query @inContext(languages: [FR, EN])`."
                .to_owned(),
        ),
        locations: vec![Location::QUERY, Location::MUTATION, Location::SUBSCRIPTION],
        args: IndexMap::from([(LANGUAGES.to_owned(), languages)]),
        is_repeatable: false,
        visible: None,
        composable: None,
    });
}
