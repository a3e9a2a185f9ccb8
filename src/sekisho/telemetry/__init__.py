"""What the house says about itself. Light to import: workers use it too."""
