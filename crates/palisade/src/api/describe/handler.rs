use super::described::{Answer, Described};
use super::operation::Operation;

/// An async function whose arguments and result are described, for
/// [`Access::api`](crate::permissions::Access::api).
#[diagnostic::on_unimplemented(
    message = "this handler is not described",
    label = "an argument or the result is not described",
    note = "arguments implement `Described`, and the result `Answer`: see palisade::api"
)]
pub trait Operates<T> {
    /// The description.
    fn operation() -> Operation;
}

macro_rules! handlers {
    ($([$($argument:ident),*]),+ $(,)?) => {
        $(
            #[diagnostic::do_not_recommend]
            impl<F, R, M, $($argument),*> Operates<(M, $($argument,)*)> for F
            where
                F: FnOnce($($argument),*) -> R,
                R: Future<Output: Answer>,
                $($argument: Described),*
            {
                fn operation() -> Operation {
                    let mut operation = Operation::default();
                    $($argument::describe(&mut operation);)*
                    <R::Output as Answer>::describe(&mut operation);
                    operation
                }
            }
        )+
    };
}

handlers!(
    [A],
    [A, B],
    [A, B, C],
    [A, B, C, D],
    [A, B, C, D, E],
    [A, B, C, D, E, G],
    [A, B, C, D, E, G, H],
    [A, B, C, D, E, G, H, I],
);

#[diagnostic::do_not_recommend]
impl<F, R> Operates<((),)> for F
where
    F: FnOnce() -> R,
    R: Future<Output: Answer>,
{
    fn operation() -> Operation {
        let mut operation = Operation::default();
        <R::Output as Answer>::describe(&mut operation);
        operation
    }
}
