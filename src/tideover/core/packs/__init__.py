"""The rules of a jurisdiction as dated data: YAML here, read strictly, looked up by day, each with the law that it comes from."""
