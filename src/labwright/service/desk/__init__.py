"""The request desk: what people who may not enter the lab ask of it, from a draft to the data they get back."""
