"""The suite `lift`: bodies from one picture, against forms that are known."""
