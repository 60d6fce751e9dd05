use palisade::prelude::*;
pub fn page(phone: Encrypted<Line<30>>) -> Value {
    context! { phone }
}
