"""Every principal and who belongs where: projects and the keys of the gateway."""
