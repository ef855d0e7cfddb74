"""The suite of physics: material points, smoke, liquid, flocks."""
