use palisade::crypto::Secret;
pub fn show(secret: Secret<String>) -> String {
    format!("{secret}")
}
