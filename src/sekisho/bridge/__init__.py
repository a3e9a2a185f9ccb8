"""The two crossings as the node sees them: configuration down to the workers, records up from their journals."""
