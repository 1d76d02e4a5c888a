//! Opening an S3-compatible bucket, over the one HTTP client of this crate.

use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::client::{
    ClientOptions, HttpClient as StoreClient, HttpConnector, HttpError as StoreHttpError,
    HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

use crate::http::addresses::AllowedHosts;
use crate::http::{HttpClient, HttpError, HttpSettings};

/// Which bucket, and who we are to it.
#[derive(Clone)]
pub struct S3Config {
    /// The bucket's name.
    pub bucket: String,
    /// Its region; S3-compatible stores that have none take `us-east-1`.
    pub region: String,
    /// Where the store is, unless it is AWS. May be a private address, and
    /// `http`, since the operator says so.
    pub endpoint: Option<String>,
    /// Under which folder of the bucket to keep blobs; may be empty.
    pub prefix: String,
    /// The access key's name.
    pub access_key_id: String,
    /// The access key.
    pub secret_access_key: Zeroizing<String>,
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("S3Config(..)")
    }
}

/// Why a bucket could not be opened. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum S3ConfigError {
    /// The endpoint is not an `http` or `https` URL.
    #[error("the endpoint of the blob store is not an http or https URL")]
    Endpoint,
    /// Something else does not fit together.
    #[error("the configuration of the blob store is incomplete")]
    Incomplete,
}

impl S3ConfigError {
    /// The stable word for this error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Endpoint => "blob.config.endpoint",
            Self::Incomplete => "blob.config.incomplete",
        }
    }
}

pub(super) fn open(config: &S3Config) -> Result<Arc<dyn ObjectStore>, S3ConfigError> {
    let mut allowed_hosts = AllowedHosts::default();
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&config.bucket)
        .with_region(&config.region)
        .with_access_key_id(&config.access_key_id)
        .with_secret_access_key(config.secret_access_key.as_str());
    if let Some(endpoint) = &config.endpoint {
        let url = Url::parse(endpoint).map_err(|_| S3ConfigError::Endpoint)?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(S3ConfigError::Endpoint);
        }
        allowed_hosts = allowed_hosts.and_url(&url);
        builder = builder
            .with_endpoint(endpoint.trim_end_matches('/'))
            .with_allow_http(url.scheme() == "http");
    }
    let http = HttpClient::new(HttpSettings {
        allowed_hosts,
        ..HttpSettings::default()
    })
    .map_err(|_| S3ConfigError::Incomplete)?;
    let store = builder
        .with_http_connector(Connector(http))
        .build()
        .map_err(|_| S3ConfigError::Incomplete)?;
    Ok(Arc::new(store))
}

/// Lets the store call through our client, so that its limits hold there too.
#[derive(Clone, Debug)]
struct Connector(HttpClient);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<StoreClient> {
        Ok(StoreClient::new(self.clone()))
    }
}

impl HttpService for Connector {
    fn call<'a: 'f, 'f>(
        &'a self,
        request: HttpRequest,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<HttpResponse, StoreHttpError>> + Send + 'f>>
    where
        Self: 'f,
    {
        Box::pin(async move {
            self.0
                .check(&request.uri().to_string())
                .map_err(|error: HttpError| StoreHttpError::new(HttpErrorKind::Request, error))?;
            HttpService::call(self.0.inner(), request).await
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chartkey_domain::blobs::{BlobId, BlobStore};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use uuid::Uuid;

    use super::*;
    use crate::blobs::ObjectBlobs;

    fn config(endpoint: &str) -> S3Config {
        S3Config {
            bucket: "records".into(),
            region: "us-east-1".into(),
            endpoint: Some(endpoint.into()),
            prefix: "sealed/blobs".into(),
            access_key_id: "AKIDMARKER".into(),
            secret_access_key: Zeroizing::new("secret-marker".into()),
        }
    }

    /// Answers a list with nothing and a write with success; tells each head.
    async fn bucket() -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (heads, seen) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = vec![0; 8192];
                let len = stream.read(&mut bytes).await.unwrap();
                let head = String::from_utf8_lossy(&bytes[..len]).into_owned();
                let body = if head.starts_with("GET") {
                    "<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"
                } else {
                    ""
                };
                heads.send(head).unwrap();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (endpoint, seen)
    }

    #[tokio::test]
    async fn a_put_is_signed_and_never_overwrites() {
        let (endpoint, mut seen) = bucket().await;
        let blobs = ObjectBlobs::s3(&config(&endpoint)).unwrap();
        let id = BlobId::new(Uuid::from_u128(1));
        BlobStore::put(&blobs, id, Bytes::from_static(b"sealed"))
            .await
            .unwrap();
        let list = seen.recv().await.unwrap();
        assert!(list.starts_with("GET /records?"), "{list}");
        assert!(
            list.contains(&format!("prefix=sealed%2Fblobs%2F{id}%2F")),
            "{list}"
        );
        let put = seen.recv().await.unwrap();
        assert!(
            put.starts_with(&format!("PUT /records/sealed/blobs/{id}/whole HTTP/1.1")),
            "{put}"
        );
        let put = put.to_lowercase();
        assert!(put.contains("if-none-match: *"), "{put}");
        assert!(
            put.contains("authorization: aws4-hmac-sha256 credential=akidmarker/"),
            "{put}"
        );
        assert!(!put.contains("secret-marker"));
    }

    #[test]
    fn a_wrong_endpoint_is_named() {
        for endpoint in ["records.example", "ftp://records.example", ""] {
            let error = ObjectBlobs::s3(&config(endpoint)).unwrap_err();
            assert_eq!(error.code(), "blob.config.endpoint", "{endpoint}");
        }
        let printed = format!("{:?}", config("http://127.0.0.1:9000"));
        assert!(!printed.to_lowercase().contains("marker"), "{printed}");
    }
}
