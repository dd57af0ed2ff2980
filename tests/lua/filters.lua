-- The filters of the cases: each looks at one argument, for the patient that is named after it.

function ReceivedInstanceFilter(dicom, origin, info)
   local patient = dicom.PatientName
   if patient == 'Filter^All' then return false end
   if patient == 'Filter^Rest' then return origin.RequestOrigin ~= 'RestApi' end
   if patient == 'Filter^Dicom' then return origin.RequestOrigin ~= 'DicomProtocol' end
   if patient == 'Filter^Caller' then return origin.RemoteAet ~= 'FILTERED' end
   if patient == 'Filter^Pixels' then return not info.HasPixelData end
   if patient == 'Filter^Syntax' then return info.TransferSyntaxUID ~= '1.2.840.10008.1.2' end
   if patient == 'Filter^Error' then error('on purpose') end
   return true
end

first = 'of filters.lua'
