return { reset = function() end }
