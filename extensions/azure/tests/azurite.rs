//! A real blob service (Azurite with its OAuth checks) takes the tokens that our identities get for storage, and none for another service.
use ochre_azure::http::Ask;
use ochre_azure::{Environment, Finder, Http, TokenSource};
use ochre_servers::{Azurite, AzuriteOptions, Identity, IdentityOptions};

#[tokio::test(flavor = "multi_thread")]
async fn tokens_for_storage_open_a_blob_service() {
    let azurite = Azurite::start_with(AzuriteOptions { oauth: true, ..Default::default() }).expect("`cargo xtask test` installs Azurite");
    let server = Identity::start(IdentityOptions::default()).expect("a server");
    let pem = std::fs::read(azurite.certificate().expect("it speaks TLS")).expect("reads");
    let environment = Environment::of([("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.url()), ("AZURE_AUTHORITY_HOST", server.url())]);
    let finder = Finder::new(Http::trusting(&pem).expect("a client"), environment).expect("a cloud");
    let machine = finder.managed(None).expect("is set up");
    let principal = finder.service_principal(Identity::TENANT, Identity::CLIENT, Identity::SECRET.into()).expect("ids");
    let list = async |source: &dyn TokenSource, scope: &str| {
        let token = source.token(scope).await.expect("a token");
        let url = format!("{}/?comp=list", azurite.endpoint()).parse().expect("a URL");
        let ask = Ask::get(url, "Azurite").bearer(&token.secret).header("x-ms-version", "2023-11-03");
        finder.http.ask(&ask).await.expect("answers").status
    };
    for source in [machine.as_ref() as &dyn TokenSource, principal.as_ref()] {
        assert_eq!(list(source, &finder.cloud.storage_scope).await, 200, "{}", source.name());
        assert!([401, 403].contains(&list(source, &finder.cloud.arm_scope).await), "{}", source.name());
    }
}
