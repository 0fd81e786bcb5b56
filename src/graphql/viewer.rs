//! Who is asking, and what they may create.

use std::borrow::Cow;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::Field;
use async_graphql::registry::{MetaField, Registry};
use async_graphql::{
    ContextSelectionSet, InputType, Name, OutputType, Positioned, ServerResult, Value,
};
use entity::party::{Party, Role};
use entity::permission::CreatePermission;
use entity::scalar::DateTime;

use super::committee::OF_THE_VIEWER;
use super::request::OperationContext;
use crate::domain::viewer::create_permissions;
use crate::planner::FieldLocation;
use crate::planner::planning::Planner;
use crate::planner::register;
use crate::planner::selection::{CollectedField, Selections};
use crate::store::webhook;

/// GraphQL name of the type. Its fields depend on the token, so responses with it are not cached.
pub(super) const NAME: &str = "Viewer";

/// The viewer of the request.
pub struct Viewer;

impl OutputType for Viewer {
    fn type_name() -> Cow<'static, str> {
        NAME.into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        fn plain<T: OutputType>(
            registry: &mut Registry,
            name: &str,
            description: &str,
        ) -> MetaField {
            let ty = T::create_type_info(registry);
            register::meta_field(registry, name, description, &[], ty)
        }
        let committees = register::connection(registry, &OF_THE_VIEWER);
        let fields = vec![
            plain::<Option<String>>(
                registry,
                "subject",
                "The person or system that the token was issued to (its claim `sub`); null without a token.",
            ),
            plain::<Vec<Role>>(
                registry,
                "roles",
                "All roles that the token grants; empty without a token.",
            ),
            plain::<Option<Party>>(
                registry,
                "party",
                "The party that this request acts for. Null for viewers who may only read, and for a token with several roles without the header `Acting-As`.",
            ),
            plain::<Option<DateTime>>(
                registry,
                "expiresAt",
                "When the token expires; null without a token. Every token has an expiry. An open subscription then ends: reconnect with a new token and the last cursor.",
            ),
            plain::<Vec<CreatePermission>>(
                registry,
                "permissions",
                "What the viewer may create now, for example which buttons to show above a list. Empty for viewers who may only read. What the viewer may do with one record is in the field `viewerPermissions` of the record.",
            ),
            register::meta_field(
                registry,
                "committees",
                "The active committees of the viewer's party. The viewer can name them as its own, for example as lead of a topic or sender of a liaison statement. Sorted by code. Empty for viewers who may only read.",
                &OF_THE_VIEWER.args(),
                committees,
            ),
        ];
        register::object_type(
            registry,
            NAME,
            "Who sends the request, according to the bearer token. Without a token, everything except webhooks and `Activity.actor` can be read, and nothing can be written.",
            fields,
        );
        Self::qualified_type_name()
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let viewer = &ctx.data_unchecked::<OperationContext>().viewer;
        let document = Selections::of(ctx);
        let mut output = IndexMap::new();
        for selected in document.collect_fields(&[&ctx.item.node], &|condition| condition == NAME) {
            let value = match selected.name() {
                "subject" => InputType::to_value(&viewer.subject),
                "roles" => viewer.roles.iter().map(InputType::to_value).collect(),
                "party" => InputType::to_value(&viewer.party()),
                "expiresAt" => InputType::to_value(&viewer.expires_at.map(DateTime)),
                "permissions" => permissions(ctx, &selected).await?,
                "committees" => committees(ctx, document, &selected).await?,
                _ => NAME.into(),
            };
            output.insert(Name::new(selected.key), value);
        }
        Ok(Value::Object(output))
    }
}

async fn permissions(
    ctx: &ContextSelectionSet<'_>,
    selected: &CollectedField<'_>,
) -> ServerResult<Value> {
    let ctx = ctx.with_field(selected.field());
    let OperationContext { db, viewer, .. } = OperationContext::of(&ctx);
    let webhooks = match viewer.party() {
        Some(party) => webhook::count(&db.orm_read, party).await,
        None => Ok(0),
    };
    let webhooks = FieldLocation::of(&ctx).check(webhooks.map_err(Into::into))?;
    let permissions = create_permissions(viewer.party(), webhooks);
    Ok(permissions.iter().map(InputType::to_value).collect())
}

async fn committees<'a>(
    ctx: &ContextSelectionSet<'a>,
    document: Selections<'a>,
    selected: &CollectedField<'a>,
) -> ServerResult<Value> {
    let ctx = ctx.with_field(selected.field());
    let env = OperationContext::of(&ctx).env();
    let planner = Planner {
        document,
        env: &env,
    };
    let output = planner
        .fetch_connection(&FieldLocation::of(&ctx), &OF_THE_VIEWER, selected)
        .await?;
    Ok(output.into_value(&ctx))
}
