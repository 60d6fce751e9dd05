pub fn load() -> palisade::template::Layer {
    palisade::include_templates!("tests/compile_fail/templates")
}
