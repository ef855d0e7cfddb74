"""What a shot will take, foretold before anything is made; the extension and the backend agree."""
