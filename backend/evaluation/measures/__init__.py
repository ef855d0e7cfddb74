"""The measures of pictures and videos that tables are made of."""
