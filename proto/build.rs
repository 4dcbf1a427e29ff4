//! Generates the wire types from our own trimmed `.proto` files, with no protoc on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["proto/milvus.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_server(false)
        // Milvus has a call named `Connect`, which would collide with the generated `connect()`.
        .build_transport(false)
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
