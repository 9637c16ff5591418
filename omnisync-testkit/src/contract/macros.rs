/// Turns a list of clauses into one `#[test]` each.
#[doc(hidden)]
#[macro_export]
macro_rules! __clause_tests {
    (($fixture:expr, $run:expr) $port:ident [$($clause:ident,)*]) => {
        $(
            #[test]
            fn $clause() {
                let outcome: ::core::result::Result<(), $crate::contract::Violation> =
                    ($run)(async {
                        let fixture = $fixture;
                        $crate::contract::$port::$clause(&fixture).await
                    });
                if let ::core::result::Result::Err(violation) = outcome {
                    ::core::panic!("{violation}");
                }
            }
        )*
    };
}

/// Turns a list of clauses into a table.
#[doc(hidden)]
#[macro_export]
macro_rules! __clause_table {
    (($fixture:ident) $port:ident [$($clause:ident,)*]) => {
        ::std::vec![$(
            $crate::contract::Clause::new(::core::stringify!($clause), |fixture: &$fixture| {
                ::std::boxed::Box::pin($clause(fixture))
            }),
        )*]
    };
}

/// Defines the macro of one port from the list of its clauses.
macro_rules! port_contract {
    ($port:ident, $list:ident, $fixture:ident) => {
        /// All clauses in order.
        pub fn clauses<F: $fixture>() -> Vec<$crate::contract::Clause<F>> {
            $crate::$list!(__clause_table, F)
        }
    };
}
pub(crate) use port_contract;
