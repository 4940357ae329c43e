"""What it takes to run slo-engine: configuration, images, and the local stack."""
