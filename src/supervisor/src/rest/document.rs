//! The OpenAPI document, and the routes that it is made from.

use std::sync::Arc;

use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::server::Api;
use super::{act, health, read, watch};

#[derive(OpenApi)]
#[openapi(
    info(title = "Quorate", description = "Keeps a MariaDB tier writable, with one primary and no acknowledged write lost.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")),
    modifiers(&Bearer),
    tags(
        (name = "read", description = "What is"),
        (name = "act", description = "What operators ask for; committed with who and why"),
        (name = "health", description = "Probes and metrics; no token needed"),
    )
)]
struct Described;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
            "A token whose hash is in the tokens file, with the role viewer, operator or admin",
        ));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme.build()));
    }
}

/// Every documented route.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(read::status))
        .routes(routes!(read::epochs))
        .routes(routes!(read::epoch))
        .routes(routes!(read::explain))
        .routes(routes!(read::doctor))
        .routes(routes!(read::events))
        .routes(routes!(watch::events))
        .routes(routes!(read::raft))
        .routes(routes!(read::routes))
        .routes(routes!(watch::routes))
        .routes(routes!(act::switchover))
        .routes(routes!(act::pause))
        .routes(routes!(act::resume))
        .routes(routes!(act::transfer))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
}

/// The REST API as an OpenAPI document.
#[must_use]
pub fn openapi() -> Document {
    routes().into_openapi()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_path_is_documented_and_every_error_code_is_in_the_document() {
        let document = serde_json::to_value(super::openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        for path in [
            "/v1/status",
            "/v1/switchover",
            "/v1/events/stream",
            "/v1/raft/transfer",
            "/healthz",
        ] {
            assert!(paths.contains_key(path), "{path}");
        }
        let codes = document["components"]["schemas"]["ErrorCode"]["enum"]
            .as_array()
            .unwrap();
        assert!(codes.iter().any(|code| code == "not_leader"), "{codes:?}");
    }
}
