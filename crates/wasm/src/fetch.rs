//! How the core reaches the server: through a function of JavaScript's, which
//! knows the address and the access token.

use chartkey_vault::{
    VaultError,
    http::{Answer, Call, Fetch},
};
use js_sys::{Array, Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r"
/** Carries one request with the access token, where there is one. Rejects only if no answer came. */
export type Carry = (method: string, path: string, body: Uint8Array | null, headers: [string, string][]) =>
  Promise<{ status: number; body: Uint8Array }>;
";

#[wasm_bindgen]
extern "C" {
    /// The function that carries requests.
    #[wasm_bindgen(typescript_type = "Carry", extends = Function)]
    pub type Carry;
}

/// Carries requests through JavaScript.
#[derive(Clone)]
pub struct JsFetch(pub Function);

impl Fetch for JsFetch {
    async fn fetch(&self, call: Call) -> Result<Answer, VaultError> {
        let headers: Array = call
            .headers
            .iter()
            .map(|(name, value)| Array::of2(&(*name).into(), &value.as_str().into()))
            .collect();
        let body = call.body.map_or(JsValue::NULL, |body| {
            Uint8Array::from(body.as_slice()).into()
        });
        let arguments = Array::of4(&call.method.into(), &call.path.into(), &body, &headers);
        let promise = self.0.apply(&JsValue::UNDEFINED, &arguments);
        let answer = match promise.and_then(JsCast::dyn_into::<Promise>) {
            Ok(promise) => JsFuture::from(promise).await,
            Err(why) => Err(why),
        };
        read(&answer.map_err(|_| VaultError::Unavailable)?).ok_or(VaultError::Unavailable)
    }
}

fn read(answer: &JsValue) -> Option<Answer> {
    let status = Reflect::get(answer, &"status".into()).ok()?.as_f64()?;
    let body = Reflect::get(answer, &"body".into()).ok()?;
    let body = body.dyn_into::<Uint8Array>().ok()?.to_vec();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an HTTP status has three digits; what has not is no answer"
    )]
    let status = (100.0..1000.0).contains(&status).then_some(status as u16)?;
    Some(Answer { status, body })
}
